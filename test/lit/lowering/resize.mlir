// RUN: noema opt %s --lower --split-input-file | FileCheck %s

// Whole factors repeat elements.
// CHECK: #[[IN:.*]] = affine_map<(d0, d1, d2, d3, d4, d5) -> (d0, d1, d2, d4)>
// CHECK-LABEL: func.func @main(
// CHECK: linalg.generic {indexing_maps = [#[[IN]], 
// CHECK: tensor.collapse_shape
// CHECK-SAME: into tensor<1x2x8x8xf32>
func.func @main(%x: tensor<1x2x4x4xf32>) -> tensor<1x2x8x8xf32> {
  %c2 = "sem.constant"() {value = dense<[1.0, 1.0, 2.0, 2.0]> : tensor<4xf32>} : () -> tensor<4xf32>
  %0 = "sem.onnx"(%x, %c2) {
    op_type = "Resize", domain = "", version = 21 : i64, attrs = {mode = "nearest"},
    operandSegmentSizes = array<i32: 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<1x2x4x4xf32>, tensor<4xf32>) -> tensor<1x2x8x8xf32>
  return %0 : tensor<1x2x8x8xf32>
}

// -----

// One dimension after the other, two weighted elements each.
// CHECK-LABEL: func.func @main(
// CHECK: tensor.extract %
// CHECK: arith.mulf
// CHECK: tensor.extract %
// CHECK: arith.mulf
// CHECK: arith.addf
// CHECK: -> tensor<?x2x4x6xf32>
// CHECK: linalg.generic
// CHECK: -> tensor<?x2x7x6xf32>
func.func @main(%x: tensor<?x2x4x4xf32>) -> tensor<?x2x7x6xf32> {
  %c3 = "sem.constant"() {value = dense<[7, 6]> : tensor<2xi64>} : () -> tensor<2xi64>
  %0 = "sem.onnx"(%x, %c3) {
    op_type = "Resize", domain = "", version = 21 : i64, attrs = {mode = "linear", axes = array<i64: 2, 3>},
    operandSegmentSizes = array<i32: 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<?x2x4x4xf32>, tensor<2xi64>) -> tensor<?x2x7x6xf32>
  return %0 : tensor<?x2x7x6xf32>
}

// -----

// Sizes that are known when the program runs.
// CHECK-LABEL: func.func @main(
// CHECK: tensor.extract %arg1[
// CHECK: tensor.extract %arg0[
func.func @main(%x: tensor<1x1x4x?xf32>, %y: tensor<4xi64>) -> tensor<1x1x?x?xf32> {
  %0 = "sem.onnx"(%x, %y) {
    op_type = "Resize", domain = "", version = 21 : i64, attrs = {mode = "nearest"},
    operandSegmentSizes = array<i32: 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<1x1x4x?xf32>, tensor<4xi64>) -> tensor<1x1x?x?xf32>
  return %0 : tensor<1x1x?x?xf32>
}

// -----

// CHECK-LABEL: func.func @main(
// CHECK: tensor.extract %
// CHECK: arith.mulf
// CHECK: arith.addf
// CHECK: -> tensor<1x1x4x6xf32>
func.func @main(%x: tensor<1x1x2x3xf32>) -> tensor<1x1x4x6xf32> {
  %c1 = "sem.constant"() {value = dense<[1.0, 1.0, 2.0, 2.0]> : tensor<4xf32>} : () -> tensor<4xf32>
  %0 = "sem.onnx"(%x, %c1) {
    op_type = "Upsample", domain = "", version = 9 : i64, attrs = {mode = "linear"},
    operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<1x1x2x3xf32>, tensor<4xf32>) -> tensor<1x1x4x6xf32>
  return %0 : tensor<1x1x4x6xf32>
}
