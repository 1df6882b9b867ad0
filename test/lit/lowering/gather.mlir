// RUN: noema opt %s --lower --split-input-file | FileCheck %s

// Negative indices count from the end; what is still outside must not be read.
// CHECK-LABEL: func.func @main(
// CHECK: ins(%arg1 : tensor<?x2xi64>)
// CHECK: arith.cmpi slt
// CHECK: arith.select
// CHECK: arith.maxsi
// CHECK: arith.minsi
// CHECK: tensor.extract %arg0[
// CHECK: -> tensor<?x2x4xf32>
func.func @main(%x: tensor<9x4xf32>, %y: tensor<?x2xi64>) -> tensor<?x2x4xf32> {
  %0 = "sem.onnx"(%x, %y) {
    op_type = "Gather", domain = "", version = 21 : i64, attrs = {axis = 0 : i64},
    operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<9x4xf32>, tensor<?x2xi64>) -> tensor<?x2x4xf32>
  return %0 : tensor<?x2x4xf32>
}

// -----

// CHECK-LABEL: func.func @main(
// CHECK: tensor.dim %arg0, %c1
// CHECK: ins(%arg1 : tensor<3x2xi32>)
// CHECK: linalg.index 0
// CHECK: arith.maxsi
// CHECK: arith.minsi
// CHECK: tensor.extract %arg0[
func.func @main(%x: tensor<3x?xf32>, %y: tensor<3x2xi32>) -> tensor<3x2xf32> {
  %0 = "sem.onnx"(%x, %y) {
    op_type = "GatherElements", domain = "", version = 21 : i64, attrs = {axis = 1 : i64},
    operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<3x?xf32>, tensor<3x2xi32>) -> tensor<3x2xf32>
  return %0 : tensor<3x2xf32>
}

// -----

// CHECK-LABEL: func.func @main(
// CHECK: tensor.extract %arg1[
// CHECK: tensor.extract %arg1[
// CHECK: tensor.extract %arg0[
// CHECK: -> tensor<6x5xf32>
func.func @main(%x: tensor<?x4x5xf32>, %y: tensor<6x2xi64>) -> tensor<6x5xf32> {
  %0 = "sem.onnx"(%x, %y) {
    op_type = "GatherND", domain = "", version = 21 : i64, attrs = {batch_dims = 0 : i64},
    operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<?x4x5xf32>, tensor<6x2xi64>) -> tensor<6x5xf32>
  return %0 : tensor<6x5xf32>
}

// -----

// CHECK-LABEL: func.func @main(
// CHECK: linalg.generic
// CHECK: tensor.extract %arg0[
// CHECK: -> tensor<?x5x8xf32>
func.func @main(%t: tensor<100x8xf32>, %i: tensor<?x5xi64>) -> tensor<?x5x8xf32> {
  %0 = "sem.embedding"(%t, %i) : (tensor<100x8xf32>, tensor<?x5xi64>) -> tensor<?x5x8xf32>
  return %0 : tensor<?x5x8xf32>
}
