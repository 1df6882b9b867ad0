// RUN: noema opt %s --passes=merge-projections | FileCheck %s

// Three products of the same rows become one; the key has no bias, so its part of the bias is zero.
// CHECK-LABEL: func.func @merge(
// CHECK: %[[W:.*]] = "sem.param"() {{.*}}merged"{{.*}} -> tensor<4x12xf32>
// CHECK: %[[P:.*]] = "sem.matmul"(%arg0, %[[W]]) {sem.role = "attention.qkv"{{.*}} -> tensor<1x3x12xf32>
// CHECK: %[[B:.*]] = "sem.param"() {{.*}} -> tensor<12xf32>
// CHECK: %[[S:.*]] = "sem.elementwise"(%[[P]], %[[B]]) {kind = "add"
// CHECK: %[[Q:.*]]:3 = "sem.onnx"(%[[S]], %{{.*}}) {attrs = {axis = 2 : i64}, domain = "", op_type = "Split"
// CHECK-NEXT: "sem.attention"(%[[Q]]#0, %[[Q]]#1, %[[Q]]#2)
func.func @merge(%x: tensor<1x3x4xf32>) -> tensor<1x3x4xf32> {
  %wq = "sem.constant"() {value = dense<1.0> : tensor<4x4xf32>} : () -> tensor<4x4xf32>
  %wk = "sem.constant"() {value = dense<2.0> : tensor<4x4xf32>} : () -> tensor<4x4xf32>
  %wv = "sem.constant"() {value = dense<3.0> : tensor<4x4xf32>} : () -> tensor<4x4xf32>
  %b = "sem.constant"() {value = dense<1.0> : tensor<4xf32>} : () -> tensor<4xf32>
  %0 = "sem.matmul"(%x, %wq) {sem.role = "attention.query", transpose_lhs = false, transpose_rhs = false} : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %1 = "sem.elementwise"(%0, %b) {kind = "add", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<1x3x4xf32>, tensor<4xf32>) -> tensor<1x3x4xf32>
  %2 = "sem.matmul"(%x, %wk) {sem.role = "attention.key", transpose_lhs = false, transpose_rhs = true} : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %3 = "sem.matmul"(%x, %wv) {sem.role = "attention.value", transpose_lhs = false, transpose_rhs = false} : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %4 = "sem.elementwise"(%3, %b) {kind = "add", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<1x3x4xf32>, tensor<4xf32>) -> tensor<1x3x4xf32>
  %5 = "sem.attention"(%1, %2, %4) {is_causal = false, kv_num_heads = 2 : i64, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0>, q_num_heads = 2 : i64, resultSegmentSizes = array<i32: 1, 0, 0, 0>, scale = 0.5 : f64, softcap = 0.0 : f32} : (tensor<1x3x4xf32>, tensor<1x3x4xf32>, tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
  return %5 : tensor<1x3x4xf32>
}

// Cross-attention: keys and values come from elsewhere, and only these two are merged.
// CHECK-LABEL: func.func @cross(
// CHECK: "sem.matmul"(%arg0
// CHECK: "sem.matmul"(%arg1, {{.*}} -> tensor<1x5x8xf32>
// CHECK: :2 = "sem.onnx"({{.*}}op_type = "Split"
func.func @cross(%x: tensor<1x3x4xf32>, %y: tensor<1x5x4xf32>) -> tensor<1x3x4xf32> {
  %w = "sem.constant"() {value = dense<1.0> : tensor<4x4xf32>} : () -> tensor<4x4xf32>
  %0 = "sem.matmul"(%x, %w) {sem.role = "attention.query", transpose_lhs = false, transpose_rhs = false} : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %1 = "sem.matmul"(%y, %w) {sem.role = "attention.key", transpose_lhs = false, transpose_rhs = false} : (tensor<1x5x4xf32>, tensor<4x4xf32>) -> tensor<1x5x4xf32>
  %2 = "sem.matmul"(%y, %w) {sem.role = "attention.value", transpose_lhs = false, transpose_rhs = false} : (tensor<1x5x4xf32>, tensor<4x4xf32>) -> tensor<1x5x4xf32>
  %3 = "sem.attention"(%0, %1, %2) {is_causal = false, kv_num_heads = 2 : i64, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0>, q_num_heads = 2 : i64, resultSegmentSizes = array<i32: 1, 0, 0, 0>, scale = 0.5 : f64, softcap = 0.0 : f32} : (tensor<1x3x4xf32>, tensor<1x5x4xf32>, tensor<1x5x4xf32>) -> tensor<1x3x4xf32>
  return %3 : tensor<1x3x4xf32>
}
