// RUN: noema opt %s --lower --split-input-file | FileCheck %s

// Positions come from the grid when the program runs.
// CHECK-LABEL: func.func @main(
// CHECK: linalg.generic
// CHECK: tensor.extract
// CHECK: tensor.expand_shape
func.func @main(%a0: tensor<?x2x4x4xf32>, %a1: tensor<?x3x5x2xf32>) -> tensor<?x2x3x5xf32> {
  %0 = "sem.onnx"(%a0, %a1) {
    op_type = "GridSample", domain = "", version = 22 : i64, attrs = {mode = "nearest"},
    operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<?x2x4x4xf32>, tensor<?x3x5x2xf32>) -> tensor<?x2x3x5xf32>
  return %0 : tensor<?x2x3x5xf32>
}

// -----

// Samples where the offsets say, then an ordinary contraction.
// CHECK-LABEL: func.func @main(
// CHECK: tensor.extract
// CHECK: arith.mulf
func.func @main(%a0: tensor<1x1x3x3xf32>, %a1: tensor<1x1x2x2xf32>, %a2: tensor<1x8x2x2xf32>) -> tensor<1x1x2x2xf32> {
  %0 = "sem.onnx"(%a0, %a1, %a2) {
    op_type = "DeformConv", domain = "", version = 22 : i64, attrs = {},
    operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<1x1x3x3xf32>, tensor<1x1x2x2xf32>, tensor<1x8x2x2xf32>) -> tensor<1x1x2x2xf32>
  return %0 : tensor<1x1x2x2xf32>
}
