// RUN: noema opt %s --lower --split-input-file | FileCheck %s

// The filters of all phases are the channels of one convolution, then interleaved.
// CHECK-LABEL: func.func @main(
// CHECK: linalg.conv_2d_nchw_fchw
// CHECK: tensor.collapse_shape
// CHECK-SAME: into tensor<1x3x8x8xf32>
func.func @main(%a0: tensor<1x2x4x4xf32>, %a1: tensor<2x3x2x2xf32>) -> tensor<1x3x8x8xf32> {
  %0 = "sem.onnx"(%a0, %a1) {
    op_type = "ConvTranspose", domain = "", version = 21 : i64, attrs = {strides = array<i64: 2, 2>},
    operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<1x2x4x4xf32>, tensor<2x3x2x2xf32>) -> tensor<1x3x8x8xf32>
  return %0 : tensor<1x3x8x8xf32>
}

// -----

// Every window adds to the image.
// CHECK-LABEL: func.func @main(
// CHECK: iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction"]
// CHECK: arith.addf
func.func @main(%a0: tensor<1x5x5xf32>, %a1: tensor<2xi64>, %a2: tensor<2xi64>) -> tensor<1x1x5x5xf32> {
  %0 = "sem.onnx"(%a0, %a1, %a2) {
    op_type = "Col2Im", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<1x5x5xf32>, tensor<2xi64>, tensor<2xi64>) -> tensor<1x1x5x5xf32>
  return %0 : tensor<1x1x5x5xf32>
}
