// RUN: noema opt %s --lower --split-input-file | FileCheck %s

// The target's 8-bit floats are held as bytes.
// CHECK-LABEL: func.func @main(
// CHECK-SAME: tensor<?xf32>
// CHECK: linalg.generic
// CHECK: -> tensor<?xi8>
func.func @main(%x: tensor<?xf32>) -> tensor<?xf8E4M3FN> {
  %0 = "sem.onnx"(%x) {
    op_type = "Cast", domain = "", version = 21 : i64, attrs = {saturate = 1 : i64, to = 17 : i64},
    operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<?xf32>) -> tensor<?xf8E4M3FN>
  return %0 : tensor<?xf8E4M3FN>
}

// -----

// CHECK-LABEL: func.func @main(
// CHECK: arith.sitofp %{{.*}} : i32 to f16
func.func @main(%x: tensor<?x4xi32>, %y: tensor<3xf16>) -> tensor<?x4xf16> {
  %0 = "sem.onnx"(%x, %y) {
    op_type = "CastLike", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<?x4xi32>, tensor<3xf16>) -> tensor<?x4xf16>
  return %0 : tensor<?x4xf16>
}

// -----

// CHECK-LABEL: func.func @main(
// CHECK: arith.bitcast %{{.*}} : f32 to i32
func.func @main(%x: tensor<?xf32>) -> tensor<?xi32> {
  %0 = "sem.onnx"(%x) {
    op_type = "BitCast", domain = "", version = 26 : i64, attrs = {to = 6 : i64},
    operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<?xf32>) -> tensor<?xi32>
  return %0 : tensor<?xi32>
}
