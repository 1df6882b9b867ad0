// RUN: noema opt %s --lower --split-input-file | FileCheck %s

// What has no lowering of ours is lowered by torch-mlir.
// CHECK-LABEL: func.func @main(
// CHECK-NOT: torch.operator
// CHECK: linalg.generic
// CHECK: arith.cmpf
// CHECK: arith.select
// CHECK: -> tensor<2x3xf32>
func.func @main(%x: tensor<2x3xf32>, %low: tensor<f32>) -> tensor<2x3xf32> {
  %0 = "sem.onnx"(%x, %low) {
    op_type = "Clip", domain = "", version = 13 : i64, attrs = {},
    operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<2x3xf32>, tensor<f32>) -> tensor<2x3xf32>
  return %0 : tensor<2x3xf32>
}

// -----

// CHECK-LABEL: func.func @main(
// CHECK: cf.assert
// CHECK: linalg.generic
// CHECK: arith.addf
// CHECK-NOT: torch
func.func @main(%x: tensor<?x3xf32>, %y: tensor<?x3xf32>) -> tensor<?x3xf32> {
  %0 = "sem.onnx"(%x, %y) {
    op_type = "Sum", domain = "", version = 13 : i64, attrs = {},
    operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<?x3xf32>, tensor<?x3xf32>) -> tensor<?x3xf32>
  return %0 : tensor<?x3xf32>
}
