// RUN: noema opt %s --lower --split-input-file | FileCheck %s

// Count, place by a running sum, gather.
// CHECK-LABEL: func.func @main(
// CHECK: iterator_types = ["reduction"]
// CHECK: arith.extui %{{.*}} : i1 to i64
// CHECK: tensor.extract %{{.*}}[] : tensor<i64>
// CHECK: "iree_linalg_ext.scan"
// CHECK: "iree_linalg_ext.scatter"
// CHECK: tensor.extract %arg0[
// CHECK: -> tensor<?x3xf32>
func.func @main(%x: tensor<?x3xf32>, %y: tensor<?xi1>) -> tensor<?x3xf32> {
  %0 = "sem.onnx"(%x, %y) {
    op_type = "Compress", domain = "", version = 21 : i64, attrs = {axis = 0 : i64},
    operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<?x3xf32>, tensor<?xi1>) -> tensor<?x3xf32>
  return %0 : tensor<?x3xf32>
}

// -----

// CHECK-LABEL: func.func @main(
// CHECK: arith.cmpf une
// CHECK: iterator_types = ["reduction"]
// CHECK: "iree_linalg_ext.scan"
// CHECK: "iree_linalg_ext.scatter"
// CHECK: arith.floordivsi
// CHECK: -> tensor<2x?xi64>
func.func @main(%x: tensor<3x?xf32>) -> tensor<2x?xi64> {
  %0 = "sem.onnx"(%x) {
    op_type = "NonZero", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<3x?xf32>) -> tensor<2x?xi64>
  return %0 : tensor<2x?xi64>
}

// -----

// All pairs are compared; the rank of a value among the distinct ones is its place.
// CHECK-LABEL: func.func @main(
// CHECK: arith.cmpi eq
// CHECK: iterator_types = ["parallel", "reduction"]
// CHECK: arith.cmpi sgt
// CHECK: return %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} :
func.func @main(%x: tensor<?xi64>) -> (tensor<?xi64>, tensor<?xi64>, tensor<?xi64>, tensor<?xi64>) {
  %0:4 = "sem.onnx"(%x) {
    op_type = "Unique", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<?xi64>) -> (tensor<?xi64>, tensor<?xi64>, tensor<?xi64>, tensor<?xi64>)
  return %0#0, %0#1, %0#2, %0#3 : tensor<?xi64>, tensor<?xi64>, tensor<?xi64>, tensor<?xi64>
}
