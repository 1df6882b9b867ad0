// RUN: noema opt %s --lower --split-input-file | FileCheck %s

// Eight samples become five frequencies of two parts: a product with a constant 8 × 10 matrix.
// CHECK-LABEL: func.func @main(
// CHECK: arith.constant dense<{{.*}}tensor<8x10xf64>
// CHECK: iterator_types = ["parallel", "parallel", "reduction"]
// CHECK: arith.truncf {{.*}} f64 to f32
func.func @main(%a0: tensor<2x8x1xf32>) -> tensor<2x5x2xf32> {
  %0 = "sem.onnx"(%a0) {
    op_type = "DFT", domain = "", version = 20 : i64, attrs = {onesided = 1 : i64},
    operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<2x8x1xf32>) -> tensor<2x5x2xf32>
  return %0 : tensor<2x5x2xf32>
}

// -----

// Of a length that isn't known: the program computes the matrix.
// CHECK-LABEL: func.func @main(
// CHECK: math.sin
// CHECK: math.cos
// CHECK: iterator_types = ["parallel", "parallel", "reduction"]
func.func @main(%a0: tensor<1x?x1xf32>) -> tensor<1x?x2xf32> {
  %0 = "sem.onnx"(%a0) {
    op_type = "DFT", domain = "", version = 20 : i64, attrs = {},
    operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<1x?x1xf32>) -> tensor<1x?x2xf32>
  return %0 : tensor<1x?x2xf32>
}

// -----

// Frames are cut and weighted while they are read, then transformed like rows.
// CHECK-LABEL: func.func @main(
// CHECK: tensor.extract %
// CHECK: tensor.extract %
// CHECK: arith.mulf
// CHECK: iterator_types = ["parallel", "parallel", "reduction"]
// CHECK: arith.truncf {{.*}} f64 to f32
func.func @main(%a0: tensor<1x64x1xf32>, %a1: tensor<i64>, %a2: tensor<8xf32>) -> tensor<1x?x5x2xf32> {
  %0 = "sem.onnx"(%a0, %a1, %a2) {
    op_type = "STFT", domain = "", version = 17 : i64, attrs = {onesided = 1 : i64},
    operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<1x64x1xf32>, tensor<i64>, tensor<8xf32>) -> tensor<1x?x5x2xf32>
  return %0 : tensor<1x?x5x2xf32>
}

// -----

// CHECK-LABEL: func.func @main(
// CHECK: math.log1p
// CHECK: math.expm1
// CHECK: math.floor
// CHECK: -> tensor<?x?xf32>
func.func @main(%a0: tensor<i64>, %a1: tensor<i64>, %a2: tensor<i64>, %a3: tensor<f32>, %a4: tensor<f32>) -> tensor<?x?xf32> {
  %0 = "sem.onnx"(%a0, %a1, %a2, %a3, %a4) {
    op_type = "MelWeightMatrix", domain = "", version = 17 : i64, attrs = {output_datatype = 1 : i64},
    operandSegmentSizes = array<i32: 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<i64>, tensor<i64>, tensor<i64>, tensor<f32>, tensor<f32>) -> tensor<?x?xf32>
  return %0 : tensor<?x?xf32>
}
