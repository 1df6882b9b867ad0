// RUN: noema opt %s --passes=fold-constants,dce --locations | FileCheck %s
// RUN: noema opt %s --passes='fold-constants{max-bytes=8},dce' | FileCheck %s --check-prefix=SMALL
// RUN: not noema opt %s --passes='fold-constants{max-bytes=-1}' 2>&1 | FileCheck %s --check-prefix=NEGATIVE

// NEGATIVE: error: pass fold-constants: max-bytes is negative: -1

#slots_1 = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
#slots_11 = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>

// A chain folds in one run, and the value knows where it comes from.
// CHECK-LABEL: func.func @chain(
// CHECK-NEXT: %[[R:.*]] = "sem.constant"() {value = dense<[5.000000e+00, 1.700000e+01, 3.700000e+01]> : tensor<3xf32>} {{.*}} loc(#[[ADD:.*]])
// CHECK-NEXT: return %[[R]]
// SMALL-LABEL: func.func @chain(
// SMALL: kind = "mul"
// SMALL: kind = "add"
func.func @chain() -> tensor<3xf32> {
  %0 = "sem.constant"() {value = dense<[2.0, 4.0, 6.0]> : tensor<3xf32>} : () -> tensor<3xf32>
  %1 = "sem.elementwise"(%0, %0) {
    kind = "mul", operandSegmentSizes = array<i32: 1, 1, 0>
  } : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32> loc("mul")
  %2 = "sem.constant"() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %3 = "sem.elementwise"(%1, %2) {
    kind = "add", operandSegmentSizes = array<i32: 1, 1, 0>
  } : (tensor<3xf32>, tensor<f32>) -> tensor<3xf32> loc("add")
  return %3 : tensor<3xf32>
}

// CHECK-LABEL: func.func @onnx_with_attributes(
// CHECK-NEXT: %[[R:.*]] = "sem.constant"() {value = dense<{{\[}}[1, 4], [2, 5], [3, 6]]> : tensor<3x2xi64>}
// CHECK-NEXT: return %[[R]]
func.func @onnx_with_attributes() -> tensor<3x2xi64> {
  %0 = "sem.constant"() {value = dense<[[1, 2, 3], [4, 5, 6]]> : tensor<2x3xi64>} : () -> tensor<2x3xi64>
  %1 = "sem.onnx"(%0) {
    op_type = "Transpose", domain = "", version = 21 : i64, attrs = {perm = array<i64: 1, 0>},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<2x3xi64>) -> tensor<3x2xi64>
  return %1 : tensor<3x2xi64>
}

// CHECK-LABEL: func.func @two_results(
// CHECK-DAG: %[[V:.*]] = "sem.constant"() {value = dense<[9, 7]> : tensor<2xi32>}
// CHECK-DAG: %[[I:.*]] = "sem.constant"() {value = dense<[2, 0]> : tensor<2xi64>}
// CHECK: return %[[V]], %[[I]]
func.func @two_results() -> (tensor<2xi32>, tensor<2xi64>) {
  %0 = "sem.constant"() {value = dense<[7, 5, 9]> : tensor<3xi32>} : () -> tensor<3xi32>
  %1 = "sem.constant"() {value = dense<2> : tensor<1xi64>} : () -> tensor<1xi64>
  %2:2 = "sem.onnx"(%0, %1) {
    op_type = "TopK", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_11
  } : (tensor<3xi32>, tensor<1xi64>) -> (tensor<2xi32>, tensor<2xi64>)
  return %2#0, %2#1 : tensor<2xi32>, tensor<2xi64>
}

// CHECK-LABEL: func.func @predicates_casts_and_unsigned(
// CHECK-NEXT: %[[C:.*]] = "sem.constant"() {value = dense<[0, 255]> : tensor<2xui8>}
// CHECK-NEXT: return %[[C]]
func.func @predicates_casts_and_unsigned() -> tensor<2xui8> {
  %0 = "sem.constant"() {value = dense<[1.0, 3.0]> : tensor<2xf32>} : () -> tensor<2xf32>
  %1 = "sem.constant"() {value = dense<2.0> : tensor<f32>} : () -> tensor<f32>
  %2 = "sem.elementwise"(%0, %1) {
    kind = "greater", operandSegmentSizes = array<i32: 1, 1, 0>
  } : (tensor<2xf32>, tensor<f32>) -> tensor<2xi1>
  %3 = "sem.constant"() {value = dense<255> : tensor<ui8>} : () -> tensor<ui8>
  %4 = "sem.elementwise"(%2) {
    kind = "cast", operandSegmentSizes = array<i32: 1, 0, 0>
  } : (tensor<2xi1>) -> tensor<2xui8>
  %5 = "sem.elementwise"(%4, %3) {
    kind = "mul", operandSegmentSizes = array<i32: 1, 1, 0>
  } : (tensor<2xui8>, tensor<ui8>) -> tensor<2xui8>
  return %5 : tensor<2xui8>
}

// Weights are not constants, and an argument is not known.
// CHECK-LABEL: func.func @not_constant(
// CHECK: kind = "add"
// CHECK: kind = "neg"
func.func @not_constant(%x: tensor<3xf32>) -> tensor<3xf32> {
  %0 = "sem.param"() {parameter = "w"} : () -> tensor<3xf32>
  %1 = "sem.elementwise"(%0, %x) {
    kind = "add", operandSegmentSizes = array<i32: 1, 1, 0>
  } : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  %2 = "sem.elementwise"(%1) {
    kind = "neg", operandSegmentSizes = array<i32: 1, 0, 0>
  } : (tensor<3xf32>) -> tensor<3xf32>
  return %2 : tensor<3xf32>
}

// A random value is another one each time.
// CHECK-LABEL: func.func @random(
// CHECK: op_type = "RandomNormalLike"
func.func @random() -> tensor<3xf32> {
  %0 = "sem.constant"() {value = dense<0.0> : tensor<3xf32>} : () -> tensor<3xf32>
  %1 = "sem.onnx"(%0) {
    op_type = "RandomNormalLike", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<3xf32>) -> tensor<3xf32>
  return %1 : tensor<3xf32>
}

// A dynamic result type says that nobody has bounded the size yet.
// CHECK-LABEL: func.func @dynamic_result(
// CHECK: op_type = "ConstantOfShape"
func.func @dynamic_result() -> tensor<?xf32> {
  %0 = "sem.constant"() {value = dense<4611686018427387904> : tensor<1xi64>} : () -> tensor<1xi64>
  %1 = "sem.onnx"(%0) {
    op_type = "ConstantOfShape", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<1xi64>) -> tensor<?xf32>
  return %1 : tensor<?xf32>
}

// What can't be evaluated, or doesn't give what the types say, is left alone.
// CHECK-LABEL: func.func @wrong_type(
// CHECK: op_type = "Size"
// CHECK: op_type = "NoSuchOperator"
func.func @wrong_type() -> (tensor<i32>, tensor<3xf32>) {
  %0 = "sem.constant"() {value = dense<0.0> : tensor<3xf32>} : () -> tensor<3xf32>
  %1 = "sem.onnx"(%0) {
    op_type = "Size", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<3xf32>) -> tensor<i32>
  %2 = "sem.onnx"(%0) {
    op_type = "NoSuchOperator", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<3xf32>) -> tensor<3xf32>
  return %1, %2 : tensor<i32>, tensor<3xf32>
}

// CHECK: #[[ADD]] = loc("add")
