// RUN: noema opt %s --lower --split-input-file | FileCheck %s

// CHECK-LABEL: func.func @main(
// CHECK: tensor.extract %arg1
// CHECK: arith.maxsi
// CHECK: arith.minsi
// CHECK: "iree_linalg_ext.scatter"(%{{.*}}, %{{.*}}, %arg0)
// CHECK: arith.addf
// CHECK: {dimension_map = array<i64: 0, 1>,
// CHECK-SAME: unique_indices = false} : (tensor<8xf32>, tensor<8x2xi64>, tensor<3x4xf32>)
func.func @main(%x: tensor<3x4xf32>, %y: tensor<2x4xi64>, %z: tensor<2x4xf32>) -> tensor<3x4xf32> {
  %0 = "sem.onnx"(%x, %y, %z) {
    op_type = "ScatterElements", domain = "", version = 21 : i64, attrs = {axis = 0 : i64, reduction = "add"},
    operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<3x4xf32>, tensor<2x4xi64>, tensor<2x4xf32>) -> tensor<3x4xf32>
  return %0 : tensor<3x4xf32>
}

// -----

// CHECK-LABEL: func.func @main(
// CHECK: tensor.dim %arg0, %c1
// CHECK: "iree_linalg_ext.scatter"
// CHECK-NEXT: ^bb0(%[[UPDATE:.*]]: f32, %{{.*}}: f32):
// CHECK-NEXT: "iree_linalg_ext.yield"(%[[UPDATE]])
func.func @main(%x: tensor<3x?xf32>, %y: tensor<3x2xi64>, %z: tensor<3x2xf32>) -> tensor<3x?xf32> {
  %0 = "sem.onnx"(%x, %y, %z) {
    op_type = "Scatter", domain = "", version = 9 : i64, attrs = {axis = 1 : i64},
    operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<3x?xf32>, tensor<3x2xi64>, tensor<3x2xf32>) -> tensor<3x?xf32>
  return %0 : tensor<3x?xf32>
}

// -----

// Whole rows.
// CHECK-LABEL: func.func @main(
// CHECK: "iree_linalg_ext.scatter"(%arg2, %{{.*}}, %arg0)
// CHECK: {dimension_map = array<i64: 0>,
// CHECK-SAME: (tensor<6x4xf32>, tensor<6x1xi64>, tensor<?x4xf32>)
func.func @main(%x: tensor<?x4xf32>, %y: tensor<6x1xi64>, %z: tensor<6x4xf32>) -> tensor<?x4xf32> {
  %0 = "sem.onnx"(%x, %y, %z) {
    op_type = "ScatterND", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<?x4xf32>, tensor<6x1xi64>, tensor<6x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// -----

// One range per row of the batch: every element knows where it comes from.
// CHECK-LABEL: func.func @main(
// CHECK-NOT: iree_linalg_ext
// CHECK: tensor.extract %arg2[
// CHECK: tensor.extract %arg1[
// CHECK: arith.select
func.func @main(%x: tensor<2x8x4xf32>, %y: tensor<2x3x4xf32>, %z: tensor<2xi64>) -> tensor<2x8x4xf32> {
  %0 = "sem.onnx"(%x, %y, %z) {
    op_type = "TensorScatter", domain = "", version = 24 : i64, attrs = {axis = 1 : i64},
    operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<2x8x4xf32>, tensor<2x3x4xf32>, tensor<2xi64>) -> tensor<2x8x4xf32>
  return %0 : tensor<2x8x4xf32>
}
