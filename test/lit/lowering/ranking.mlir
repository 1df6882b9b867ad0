// RUN: noema opt %s --lower --split-input-file | FileCheck %s

// The largest element, nan above all, then the lowest index that has it.
// CHECK-LABEL: func.func @main(
// CHECK: iterator_types = ["parallel", "reduction"]
// CHECK: arith.maximumf
// CHECK: iterator_types = ["parallel", "reduction"]
// CHECK: arith.cmpf oeq
// CHECK: arith.cmpf uno
// CHECK: arith.minsi
// CHECK: -> tensor<?x1xi64>
func.func @main(%x: tensor<?x8xf32>) -> tensor<?x1xi64> {
  %0 = "sem.onnx"(%x) {
    op_type = "ArgMax", domain = "", version = 21 : i64, attrs = {axis = 1 : i64, keepdims = 1 : i64},
    operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<?x8xf32>) -> tensor<?x1xi64>
  return %0 : tensor<?x1xi64>
}

// -----

// CHECK-LABEL: func.func @main(
// CHECK: iterator_types = ["reduction", "parallel"]
// CHECK: arith.minsi
// CHECK: iterator_types = ["reduction", "parallel"]
// CHECK: arith.cmpi eq
// CHECK: arith.minsi
// CHECK: tensor.collapse_shape
// CHECK-SAME: into tensor<3xi64>
func.func @main(%x: tensor<8x3xi32>) -> tensor<3xi64> {
  %0 = "sem.onnx"(%x) {
    op_type = "ArgMin", domain = "", version = 21 : i64, attrs = {axis = 0 : i64, keepdims = 0 : i64},
    operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<8x3xi32>) -> tensor<3xi64>
  return %0 : tensor<3xi64>
}

// -----

// CHECK-LABEL: func.func @main(
// CHECK: iterator_types = ["parallel", "reduction"]
// CHECK: arith.maximumf
// CHECK: iterator_types = ["parallel", "parallel"]
// CHECK: arith.cmpi eq
// CHECK: arith.select
// CHECK: -> tensor<?x8xf32>
func.func @main(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %0 = "sem.onnx"(%x) {
    op_type = "Hardmax", domain = "", version = 21 : i64, attrs = {axis = 1 : i64},
    operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<?x8xf32>) -> tensor<?x8xf32>
  return %0 : tensor<?x8xf32>
}

// -----

// The rank of each element by comparing all pairs, then who has ranks 0 to k - 1.
// CHECK-LABEL: func.func @main(
// CHECK: iterator_types = ["parallel", "parallel", "reduction"]
// CHECK: arith.cmpf ugt
// CHECK: -> tensor<?x8xi32>
// CHECK: iterator_types = ["parallel", "parallel", "reduction"]
// CHECK: -> tensor<?x3xi64>
// CHECK: tensor.extract %arg0[
func.func @main(%x: tensor<?x8xf32>) -> (tensor<?x3xf32>, tensor<?x3xi64>) {
  %c1 = "sem.constant"() {value = dense<3> : tensor<1xi64>} : () -> tensor<1xi64>
  %0:2 = "sem.onnx"(%x, %c1) {
    op_type = "TopK", domain = "", version = 21 : i64, attrs = {axis = 1 : i64, largest = 1 : i64, sorted = 1 : i64},
    operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<?x8xf32>, tensor<1xi64>) -> (tensor<?x3xf32>, tensor<?x3xi64>)
  return %0#0, %0#1 : tensor<?x3xf32>, tensor<?x3xi64>
}
