// RUN: noema opt %s --lower --split-input-file | FileCheck %s

// What has no lowering of ours is lowered by torch-mlir.
// CHECK-LABEL: func.func @main(
// CHECK-NOT: torch.operator
// CHECK: iterator_types = ["parallel", "parallel", "parallel", "reduction"]
// CHECK: -> tensor<2x3x5xf32>
func.func @main(%x: tensor<2x3x4xf32>, %y: tensor<2x4x5xf32>) -> tensor<2x3x5xf32> {
  %0 = "sem.onnx"(%x, %y) {
    op_type = "Einsum", domain = "", version = 21 : i64, attrs = {equation = "bij,bjk->bik"},
    operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<2x3x4xf32>, tensor<2x4x5xf32>) -> tensor<2x3x5xf32>
  return %0 : tensor<2x3x5xf32>
}

// -----

// CHECK-LABEL: func.func @main(
// CHECK: cf.assert
// CHECK: linalg.generic
// CHECK: arith.addf
// CHECK: arith.divf
// CHECK-NOT: torch
func.func @main(%x: tensor<?x3xf32>, %y: tensor<?x3xf32>) -> tensor<?x3xf32> {
  %0 = "sem.onnx"(%x, %y) {
    op_type = "Mean", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<?x3xf32>, tensor<?x3xf32>) -> tensor<?x3xf32>
  return %0 : tensor<?x3xf32>
}
