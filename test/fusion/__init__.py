"""The fusion-hit matrix: what noema finds in each network, whoever wrote the file.

Every network of `models.CATALOG` in every form, and every architecture of `models.exports` from
every exporter, against what its configuration says is in it.
"""
