// RUN: noema opt %s --lower --split-input-file | FileCheck %s

// Elimination with pivots, unrolled: one division per row below the pivot.
// CHECK-LABEL: func.func @main(
// CHECK: linalg.generic
// CHECK-COUNT-4: tensor.extract %
// CHECK: math.absf
// CHECK: arith.cmpf ogt
// CHECK: arith.divf
// CHECK: -> tensor<?xf32>
func.func @main(%a0: tensor<?x2x2xf32>) -> tensor<?xf32> {
  %0 = "sem.onnx"(%a0) {
    op_type = "Det", domain = "", version = 22 : i64, attrs = {},
    operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<?x2x2xf32>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}

// -----

// Two comparisons, which are false of nan.
// CHECK-LABEL: func.func @main(
// CHECK: arith.cmpf oeq
// CHECK: arith.cmpf oeq
// CHECK: arith.ori
// CHECK: -> tensor<4xi1>
func.func @main(%a0: tensor<4xf32>) -> tensor<4xi1> {
  %0 = "sem.onnx"(%a0) {
    op_type = "IsInf", domain = "", version = 20 : i64, attrs = {detect_negative = 1 : i64, detect_positive = 1 : i64},
    operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<4xf32>) -> tensor<4xi1>
  return %0 : tensor<4xi1>
}

// -----

// The sum is in f32, and only the result is rounded.
// CHECK-LABEL: func.func @main(
// CHECK: arith.extf
// CHECK: arith.addf %{{.*}} : f32
// CHECK: arith.divf %{{.*}} : f32
// CHECK: arith.truncf
func.func @main(%a0: tensor<2x3xf16>, %a1: tensor<3xf16>) -> tensor<2x3xf16> {
  %0 = "sem.onnx"(%a0, %a1) {
    op_type = "Mean", domain = "", version = 13 : i64, attrs = {},
    operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<2x3xf16>, tensor<3xf16>) -> tensor<2x3xf16>
  return %0 : tensor<2x3xf16>
}
