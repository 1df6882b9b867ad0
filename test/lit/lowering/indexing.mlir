// RUN: noema opt %s --lower --split-input-file | FileCheck %s

// CHECK-LABEL: func.func @main(
// CHECK: tensor.extract_slice %arg0[0, 1] [%dim, 3] [1, 2] : tensor<?x8xf32> to tensor<?x3xf32>
func.func @main(%x: tensor<?x8xf32>) -> tensor<?x3xf32> {
  %c1 = "sem.constant"() {value = dense<1> : tensor<1xi64>} : () -> tensor<1xi64>
  %c2 = "sem.constant"() {value = dense<7> : tensor<1xi64>} : () -> tensor<1xi64>
  %c3 = "sem.constant"() {value = dense<1> : tensor<1xi64>} : () -> tensor<1xi64>
  %c4 = "sem.constant"() {value = dense<2> : tensor<1xi64>} : () -> tensor<1xi64>
  %0 = "sem.onnx"(%x, %c1, %c2, %c3, %c4) {
    op_type = "Slice", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = array<i32: 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<?x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x3xf32>
  return %0 : tensor<?x3xf32>
}

// -----

// Where it starts and ends is known when the program runs.
// CHECK-LABEL: func.func @main(
// CHECK: tensor.extract %arg1
// CHECK: tensor.extract %arg2
// CHECK: tensor.extract_slice %arg0[%{{.*}}] [%{{.*}}] [1] : tensor<8xf32> to tensor<?xf32>
func.func @main(%x: tensor<8xf32>, %y: tensor<1xi64>, %z: tensor<1xi64>) -> tensor<?xf32> {
  %c3 = "sem.constant"() {value = dense<0> : tensor<1xi64>} : () -> tensor<1xi64>
  %c4 = "sem.constant"() {value = dense<1> : tensor<1xi64>} : () -> tensor<1xi64>
  %0 = "sem.onnx"(%x, %y, %z, %c3, %c4) {
    op_type = "Slice", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = array<i32: 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}

// -----

// CHECK-LABEL: func.func @main(
// CHECK: linalg.generic
// CHECK: tensor.extract %arg0[
// CHECK: tensor.extract %arg1[]
// CHECK: arith.select
// CHECK: -> tensor<3x?xf32>
func.func @main(%x: tensor<2x?xf32>, %y: tensor<f32>) -> tensor<3x?xf32> {
  %c1 = "sem.constant"() {value = dense<[1, 0, 0, 2]> : tensor<4xi64>} : () -> tensor<4xi64>
  %0 = "sem.onnx"(%x, %c1, %y) {
    op_type = "Pad", domain = "", version = 21 : i64, attrs = {mode = "constant"},
    operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<2x?xf32>, tensor<4xi64>, tensor<f32>) -> tensor<3x?xf32>
  return %0 : tensor<3x?xf32>
}

// -----

// Every element comes from inside.
// CHECK-LABEL: func.func @main(
// CHECK: linalg.index 0
// CHECK: tensor.extract %arg0[
// CHECK-NOT: arith.select
// CHECK: -> tensor<9xf32>
func.func @main(%x: tensor<5xf32>) -> tensor<9xf32> {
  %c1 = "sem.constant"() {value = dense<[2, 2]> : tensor<2xi64>} : () -> tensor<2xi64>
  %0 = "sem.onnx"(%x, %c1) {
    op_type = "Pad", domain = "", version = 21 : i64, attrs = {mode = "reflect"},
    operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<5xf32>, tensor<2xi64>) -> tensor<9xf32>
  return %0 : tensor<9xf32>
}

// -----

// CHECK-LABEL: func.func @main(
// CHECK: tensor.expand_shape %arg0
// CHECK-SAME: into tensor<?x2x2x2x3x5xf32>
// CHECK: linalg.generic
// CHECK: tensor.collapse_shape
// CHECK-SAME: into tensor<?x2x6x10xf32>
func.func @main(%x: tensor<?x8x3x5xf32>) -> tensor<?x2x6x10xf32> {
  %0 = "sem.onnx"(%x) {
    op_type = "DepthToSpace", domain = "", version = 21 : i64, attrs = {blocksize = 2 : i64},
    operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<?x8x3x5xf32>) -> tensor<?x2x6x10xf32>
  return %0 : tensor<?x2x6x10xf32>
}

// -----

// CHECK-LABEL: func.func @main(
// CHECK: tensor.expand_shape %arg0
// CHECK-SAME: into tensor<1x2x3x2x?x2xf32>
// CHECK: linalg.generic
// CHECK: tensor.collapse_shape
// CHECK-SAME: into tensor<1x8x3x?xf32>
func.func @main(%x: tensor<1x2x6x?xf32>) -> tensor<1x8x3x?xf32> {
  %0 = "sem.onnx"(%x) {
    op_type = "SpaceToDepth", domain = "", version = 21 : i64, attrs = {blocksize = 2 : i64},
    operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<1x2x6x?xf32>) -> tensor<1x8x3x?xf32>
  return %0 : tensor<1x8x3x?xf32>
}

// -----

// CHECK-LABEL: func.func @main(
// CHECK: linalg.index 1
// CHECK: arith.cmpi eq
// CHECK: tensor.extract %arg1
// CHECK: arith.select
// CHECK: -> tensor<?x5xf32>
func.func @main(%x: tensor<?xi64>, %y: tensor<2xf32>) -> tensor<?x5xf32> {
  %c1 = "sem.constant"() {value = dense<5> : tensor<i64>} : () -> tensor<i64>
  %0 = "sem.onnx"(%x, %c1, %y) {
    op_type = "OneHot", domain = "", version = 21 : i64, attrs = {axis = -1 : i64},
    operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<?xi64>, tensor<i64>, tensor<2xf32>) -> tensor<?x5xf32>
  return %0 : tensor<?x5xf32>
}

// -----

// CHECK-LABEL: func.func @main(
// CHECK: tensor.extract %arg1
// CHECK: arith.cmpi slt
// CHECK: arith.select
// CHECK: tensor.extract %arg0
func.func @main(%x: tensor<4x?x3xf32>, %y: tensor<?xi64>) -> tensor<4x?x3xf32> {
  %0 = "sem.onnx"(%x, %y) {
    op_type = "ReverseSequence", domain = "", version = 21 : i64, attrs = {batch_axis = 1 : i64, time_axis = 0 : i64},
    operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<4x?x3xf32>, tensor<?xi64>) -> tensor<4x?x3xf32>
  return %0 : tensor<4x?x3xf32>
}

// -----

// CHECK-LABEL: func.func @main(
// CHECK: arith.cmpi sle
// CHECK: arith.select
func.func @main(%x: tensor<?x5xf32>) -> tensor<?x5xf32> {
  %0 = "sem.onnx"(%x) {
    op_type = "Trilu", domain = "", version = 21 : i64, attrs = {upper = 0 : i64},
    operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<?x5xf32>) -> tensor<?x5xf32>
  return %0 : tensor<?x5xf32>
}
