// RUN: noema opt %s --lower | FileCheck %s

// One batch of matrix products: the labels a and b are its rows together, k is summed over.
// CHECK-LABEL: func.func @main(
// CHECK: linalg.generic
// CHECK-SAME: "reduction"
// CHECK: arith.mulf
// CHECK: arith.addf
// CHECK: tensor<2x5x4xf32>
func.func @main(%x: tensor<2x5x8xf32>, %y: tensor<8x4xf32>) -> tensor<2x5x4xf32> {
  %0 = "sem.onnx"(%x, %y) {
    op_type = "Einsum", domain = "", version = 21 : i64, attrs = {equation = "abk,kn->abn"},
    operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<2x5x8xf32>, tensor<8x4xf32>) -> tensor<2x5x4xf32>
  return %0 : tensor<2x5x4xf32>
}
