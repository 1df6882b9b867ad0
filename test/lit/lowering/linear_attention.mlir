// RUN: noema opt %s --lower | FileCheck %s

// One state per head, carried from token to token: outer products in, readings out.
// CHECK-LABEL: func.func @main(
// CHECK: linalg.generic
// CHECK: arith.mulf
// CHECK: return
// CHECK-SAME: tensor<1x2x4xf32>
func.func @main(%q: tensor<1x2x4xf32>, %k: tensor<1x2x4xf32>, %v: tensor<1x2x4xf32>) -> tensor<1x2x4xf32> {
  %0 = "sem.onnx"(%q, %k, %v) {
    op_type = "LinearAttention", domain = "", version = 27 : i64, attrs = {kv_num_heads = 1 : i64, q_num_heads = 1 : i64, update_rule = "linear"},
    operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<1x2x4xf32>, tensor<1x2x4xf32>, tensor<1x2x4xf32>) -> tensor<1x2x4xf32>
  return %0 : tensor<1x2x4xf32>
}
