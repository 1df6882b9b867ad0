// RUN: noema opt %s --lower --split-input-file | FileCheck %s

// Half to even, then saturated; unsigned bytes are signless below.
// CHECK-LABEL: func.func @main(
// CHECK: math.roundeven
// CHECK: -> tensor<?x4xi8>
func.func @main(%a0: tensor<?x4xf32>, %a1: tensor<f32>, %a2: tensor<ui8>) -> tensor<?x4xui8> {
  %0 = "sem.onnx"(%a0, %a1, %a2) {
    op_type = "QuantizeLinear", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<?x4xf32>, tensor<f32>, tensor<ui8>) -> tensor<?x4xui8>
  return %0 : tensor<?x4xui8>
}

// -----

// One scale and zero point per channel.
// CHECK-LABEL: func.func @main(
// CHECK: arith.mulf
// CHECK: -> tensor<2x3x4xf32>
func.func @main(%a0: tensor<2x3x4xi8>, %a1: tensor<3xf32>, %a2: tensor<3xi8>) -> tensor<2x3x4xf32> {
  %0 = "sem.onnx"(%a0, %a1, %a2) {
    op_type = "DequantizeLinear", domain = "", version = 21 : i64, attrs = {axis = 1 : i64},
    operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<2x3x4xi8>, tensor<3xf32>, tensor<3xi8>) -> tensor<2x3x4xf32>
  return %0 : tensor<2x3x4xf32>
}

// -----

// Products of bytes sum in i32.
// CHECK-LABEL: func.func @main(
// CHECK: iterator_types = ["parallel", "parallel", "reduction"]
// CHECK: arith.muli
// CHECK: -> tensor<4x3xi32>
func.func @main(%a0: tensor<4x8xui8>, %a1: tensor<8x3xi8>) -> tensor<4x3xi32> {
  %0 = "sem.onnx"(%a0, %a1) {
    op_type = "MatMulInteger", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<4x8xui8>, tensor<8x3xi8>) -> tensor<4x3xi32>
  return %0 : tensor<4x3xi32>
}

// -----

// The sum is exact; scaling and rounding come once, at its end.
// CHECK-LABEL: func.func @main(
// CHECK: "reduction"
// CHECK: math.roundeven
// CHECK: -> tensor<4x3xi8>
func.func @main(%a0: tensor<4x8xui8>, %a1: tensor<f32>, %a2: tensor<ui8>, %a3: tensor<8x3xui8>, %a4: tensor<f32>, %a5: tensor<ui8>, %a6: tensor<f32>, %a7: tensor<ui8>) -> tensor<4x3xui8> {
  %0 = "sem.onnx"(%a0, %a1, %a2, %a3, %a4, %a5, %a6, %a7) {
    op_type = "QLinearMatMul", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = array<i32: 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<4x8xui8>, tensor<f32>, tensor<ui8>, tensor<8x3xui8>, tensor<f32>, tensor<ui8>, tensor<f32>, tensor<ui8>) -> tensor<4x3xui8>
  return %0 : tensor<4x3xui8>
}

// -----

// As MatMulInteger, over windows.
// CHECK-LABEL: func.func @main(
// CHECK: linalg.
// CHECK: tensor<1x3x3x3xi32>
func.func @main(%a0: tensor<1x2x5x5xui8>, %a1: tensor<3x2x3x3xui8>) -> tensor<1x3x3x3xi32> {
  %0 = "sem.onnx"(%a0, %a1) {
    op_type = "ConvInteger", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<1x2x5x5xui8>, tensor<3x2x3x3xui8>) -> tensor<1x3x3x3xi32>
  return %0 : tensor<1x3x3x3xi32>
}

// -----

// As QLinearMatMul, over windows.
// CHECK-LABEL: func.func @main(
// CHECK: math.roundeven
// CHECK: -> tensor<1x3x3x3xi8>
func.func @main(%a0: tensor<1x2x5x5xui8>, %a1: tensor<f32>, %a2: tensor<ui8>, %a3: tensor<3x2x3x3xui8>, %a4: tensor<f32>, %a5: tensor<ui8>, %a6: tensor<f32>, %a7: tensor<ui8>) -> tensor<1x3x3x3xui8> {
  %0 = "sem.onnx"(%a0, %a1, %a2, %a3, %a4, %a5, %a6, %a7) {
    op_type = "QLinearConv", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = array<i32: 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<1x2x5x5xui8>, tensor<f32>, tensor<ui8>, tensor<3x2x3x3xui8>, tensor<f32>, tensor<ui8>, tensor<f32>, tensor<ui8>) -> tensor<1x3x3x3xui8>
  return %0 : tensor<1x3x3x3xui8>
}
