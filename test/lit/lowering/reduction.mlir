// RUN: noema opt %s --lower --split-input-file | FileCheck %s

// CHECK-LABEL: func.func @main(
// CHECK: iterator_types = ["parallel", "parallel", "reduction"]
// CHECK: arith.addf
// CHECK: tensor.expand_shape
// CHECK-SAME: into tensor<?x3x1xf32>
func.func @main(%x: tensor<?x3x4xf32>) -> tensor<?x3x1xf32> {
  %c1 = "sem.constant"() {value = dense<-1> : tensor<1xi64>} : () -> tensor<1xi64>
  %0 = "sem.onnx"(%x, %c1) {
    op_type = "ReduceSum", domain = "", version = 21 : i64, attrs = {keepdims = 1 : i64},
    operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<?x3x4xf32>, tensor<1xi64>) -> tensor<?x3x1xf32>
  return %0 : tensor<?x3x1xf32>
}

// -----

// CHECK-LABEL: func.func @main(
// CHECK: iterator_types = ["parallel", "reduction"]
// CHECK: arith.addf
// CHECK: arith.sitofp
// CHECK: arith.divf
func.func @main(%x: tensor<2x?xf32>) -> tensor<2xf32> {
  %c1 = "sem.constant"() {value = dense<1> : tensor<1xi64>} : () -> tensor<1xi64>
  %0 = "sem.onnx"(%x, %c1) {
    op_type = "ReduceMean", domain = "", version = 21 : i64, attrs = {keepdims = 0 : i64},
    operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<2x?xf32>, tensor<1xi64>) -> tensor<2xf32>
  return %0 : tensor<2xf32>
}

// -----

// CHECK-LABEL: func.func @main(
// CHECK: arith.constant 0 : i8
// CHECK: iterator_types = ["reduction", "parallel"]
// CHECK: arith.maxui
func.func @main(%x: tensor<3x4xui8>) -> tensor<4xui8> {
  %c1 = "sem.constant"() {value = dense<0> : tensor<1xi64>} : () -> tensor<1xi64>
  %0 = "sem.onnx"(%x, %c1) {
    op_type = "ReduceMax", domain = "", version = 21 : i64, attrs = {keepdims = 0 : i64},
    operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<3x4xui8>, tensor<1xi64>) -> tensor<4xui8>
  return %0 : tensor<4xui8>
}

// -----

// CHECK-LABEL: func.func @main(
// CHECK: arith.constant 0x7F800000 : f32
// CHECK: iterator_types = ["reduction", "parallel"]
// CHECK: arith.minimumf
func.func @main(%x: tensor<3x4xf32>) -> tensor<4xf32> {
  %c1 = "sem.constant"() {value = dense<0> : tensor<1xi64>} : () -> tensor<1xi64>
  %0 = "sem.onnx"(%x, %c1) {
    op_type = "ReduceMin", domain = "", version = 21 : i64, attrs = {keepdims = 0 : i64},
    operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<3x4xf32>, tensor<1xi64>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

// No axes are all axes.
// CHECK-LABEL: func.func @main(
// CHECK: iterator_types = ["reduction", "reduction"]
// CHECK: arith.muli
func.func @main(%x: tensor<3x4xi32>) -> tensor<i32> {
  %0 = "sem.onnx"(%x) {
    op_type = "ReduceProd", domain = "", version = 21 : i64, attrs = {keepdims = 0 : i64},
    operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<3x4xi32>) -> tensor<i32>
  return %0 : tensor<i32>
}

// -----

// CHECK-LABEL: func.func @main(
// CHECK: iterator_types = ["parallel", "reduction"]
// CHECK: math.absf
// CHECK: arith.addf
func.func @main(%x: tensor<3x?xf32>) -> tensor<3xf32> {
  %c1 = "sem.constant"() {value = dense<1> : tensor<1xi64>} : () -> tensor<1xi64>
  %0 = "sem.onnx"(%x, %c1) {
    op_type = "ReduceL1", domain = "", version = 21 : i64, attrs = {keepdims = 0 : i64},
    operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<3x?xf32>, tensor<1xi64>) -> tensor<3xf32>
  return %0 : tensor<3xf32>
}

// -----

// CHECK-LABEL: func.func @main(
// CHECK: iterator_types = ["parallel", "reduction"]
// CHECK: arith.mulf
// CHECK: arith.addf
// CHECK: math.sqrt
func.func @main(%x: tensor<3x?xf32>) -> tensor<3xf32> {
  %c1 = "sem.constant"() {value = dense<1> : tensor<1xi64>} : () -> tensor<1xi64>
  %0 = "sem.onnx"(%x, %c1) {
    op_type = "ReduceL2", domain = "", version = 21 : i64, attrs = {keepdims = 0 : i64},
    operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<3x?xf32>, tensor<1xi64>) -> tensor<3xf32>
  return %0 : tensor<3xf32>
}

// -----

// CHECK-LABEL: func.func @main(
// CHECK: iterator_types = ["parallel", "reduction"]
// CHECK: arith.mulf
// CHECK: arith.addf
// CHECK-NOT: math.sqrt
func.func @main(%x: tensor<3x?xf32>) -> tensor<3xf32> {
  %c1 = "sem.constant"() {value = dense<1> : tensor<1xi64>} : () -> tensor<1xi64>
  %0 = "sem.onnx"(%x, %c1) {
    op_type = "ReduceSumSquare", domain = "", version = 21 : i64, attrs = {keepdims = 0 : i64},
    operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<3x?xf32>, tensor<1xi64>) -> tensor<3xf32>
  return %0 : tensor<3xf32>
}

// -----

// CHECK-LABEL: func.func @main(
// CHECK: iterator_types = ["parallel", "reduction"]
// CHECK: arith.addf
// CHECK: math.log
func.func @main(%x: tensor<3x?xf32>) -> tensor<3xf32> {
  %c1 = "sem.constant"() {value = dense<1> : tensor<1xi64>} : () -> tensor<1xi64>
  %0 = "sem.onnx"(%x, %c1) {
    op_type = "ReduceLogSum", domain = "", version = 21 : i64, attrs = {keepdims = 0 : i64},
    operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<3x?xf32>, tensor<1xi64>) -> tensor<3xf32>
  return %0 : tensor<3xf32>
}

// -----

// The largest element is taken out first.
// CHECK-LABEL: func.func @main(
// CHECK: iterator_types = ["parallel", "reduction"]
// CHECK: arith.maximumf
// CHECK: arith.subf
// CHECK: iterator_types = ["parallel", "reduction"]
// CHECK: math.exp
// CHECK: arith.addf
// CHECK: math.log
func.func @main(%x: tensor<3x?xf32>) -> tensor<3xf32> {
  %c1 = "sem.constant"() {value = dense<1> : tensor<1xi64>} : () -> tensor<1xi64>
  %0 = "sem.onnx"(%x, %c1) {
    op_type = "ReduceLogSumExp", domain = "", version = 21 : i64, attrs = {keepdims = 0 : i64},
    operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<3x?xf32>, tensor<1xi64>) -> tensor<3xf32>
  return %0 : tensor<3xf32>
}

// -----

// CHECK-LABEL: func.func @main(
// CHECK: "iree_linalg_ext.scan"(%arg0,
// CHECK: arith.addf
// CHECK: {dimension = 1 : i64, inclusive = true,
func.func @main(%x: tensor<?x6xf32>) -> tensor<?x6xf32> {
  %c1 = "sem.constant"() {value = dense<1> : tensor<i64>} : () -> tensor<i64>
  %0 = "sem.onnx"(%x, %c1) {
    op_type = "CumSum", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<?x6xf32>, tensor<i64>) -> tensor<?x6xf32>
  return %0 : tensor<?x6xf32>
}

// -----

// CHECK-LABEL: func.func @main(
// CHECK: tensor.extract %arg0[
// CHECK: "iree_linalg_ext.scan"
// CHECK: arith.mulf
// CHECK: {dimension = 0 : i64,
// CHECK: arith.subi
func.func @main(%x: tensor<6xf32>) -> tensor<6xf32> {
  %c1 = "sem.constant"() {value = dense<0> : tensor<i64>} : () -> tensor<i64>
  %0 = "sem.onnx"(%x, %c1) {
    op_type = "CumProd", domain = "", version = 26 : i64, attrs = {reverse = 1 : i64},
    operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<6xf32>, tensor<i64>) -> tensor<6xf32>
  return %0 : tensor<6xf32>
}

// -----

// CHECK-LABEL: func.func @main(
// CHECK: iterator_types = ["parallel", "reduction"]
// CHECK: arith.mulf
// CHECK: arith.addf
// CHECK: math.sqrt
// CHECK: arith.divf
// CHECK: arith.select
func.func @main(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = "sem.onnx"(%x) {
    op_type = "LpNormalization", domain = "", version = 21 : i64, attrs = {axis = 1 : i64, p = 2 : i64},
    operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}
