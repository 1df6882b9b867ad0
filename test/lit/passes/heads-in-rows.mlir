// RUN: noema opt %s --passes=heads-in-rows,dce | FileCheck %s

// CHECK-LABEL: func.func @rows(
// CHECK-NEXT: %[[A:.*]] = "sem.attention"(%arg0, %arg1, %arg2) {{.*}}kv_num_heads = 2 : i64{{.*}}q_num_heads = 2 : i64{{.*}} -> tensor<1x5x8xf32>
// CHECK-NEXT: return %[[A]]
func.func @rows(%q: tensor<1x5x8xf32>, %k: tensor<1x5x8xf32>, %v: tensor<1x5x8xf32>) -> tensor<1x5x8xf32> {
  %heads = "sem.constant"() {value = dense<[1, 5, 2, 4]> : tensor<4xi64>} : () -> tensor<4xi64>
  %joined = "sem.constant"() {value = dense<[1, 5, 8]> : tensor<3xi64>} : () -> tensor<3xi64>
  %q1 = "sem.onnx"(%q, %heads) {attrs = {}, domain = "", op_type = "Reshape", version = 24 : i64, operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>} : (tensor<1x5x8xf32>, tensor<4xi64>) -> tensor<1x5x2x4xf32>
  %q2 = "sem.onnx"(%q1) {attrs = {perm = array<i64: 0, 2, 1, 3>}, domain = "", op_type = "Transpose", version = 24 : i64, operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>} : (tensor<1x5x2x4xf32>) -> tensor<1x2x5x4xf32>
  %k1 = "sem.onnx"(%k, %heads) {attrs = {}, domain = "", op_type = "Reshape", version = 24 : i64, operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>} : (tensor<1x5x8xf32>, tensor<4xi64>) -> tensor<1x5x2x4xf32>
  %k2 = "sem.onnx"(%k1) {attrs = {perm = array<i64: 0, 2, 1, 3>}, domain = "", op_type = "Transpose", version = 24 : i64, operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>} : (tensor<1x5x2x4xf32>) -> tensor<1x2x5x4xf32>
  %v1 = "sem.onnx"(%v, %heads) {attrs = {}, domain = "", op_type = "Reshape", version = 24 : i64, operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>} : (tensor<1x5x8xf32>, tensor<4xi64>) -> tensor<1x5x2x4xf32>
  %v2 = "sem.onnx"(%v1) {attrs = {perm = array<i64: 0, 2, 1, 3>}, domain = "", op_type = "Transpose", version = 24 : i64, operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>} : (tensor<1x5x2x4xf32>) -> tensor<1x2x5x4xf32>
  %a = "sem.attention"(%q2, %k2, %v2) {is_causal = false, kv_num_heads = 0 : i64, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0>, q_num_heads = 0 : i64, resultSegmentSizes = array<i32: 1, 0, 0, 0>, scale = 0.5 : f64, softcap = 0.0 : f32} : (tensor<1x2x5x4xf32>, tensor<1x2x5x4xf32>, tensor<1x2x5x4xf32>) -> tensor<1x2x5x4xf32>
  %t = "sem.onnx"(%a) {attrs = {perm = array<i64: 0, 2, 1, 3>}, domain = "", op_type = "Transpose", version = 24 : i64, operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>} : (tensor<1x2x5x4xf32>) -> tensor<1x5x2x4xf32>
  %r = "sem.onnx"(%t, %joined) {attrs = {}, domain = "", op_type = "Reshape", version = 24 : i64, operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>} : (tensor<1x5x2x4xf32>, tensor<3xi64>) -> tensor<1x5x8xf32>
  return %r : tensor<1x5x8xf32>
}

// Queries that come as heads already keep everything as it is.
// CHECK-LABEL: func.func @heads(
// CHECK: "sem.attention"{{.*}}q_num_heads = 0 : i64
func.func @heads(%q: tensor<1x2x5x4xf32>, %k: tensor<1x5x8xf32>, %v: tensor<1x5x8xf32>) -> tensor<1x5x8xf32> {
  %heads = "sem.constant"() {value = dense<[1, 5, 2, 4]> : tensor<4xi64>} : () -> tensor<4xi64>
  %joined = "sem.constant"() {value = dense<[1, 5, 8]> : tensor<3xi64>} : () -> tensor<3xi64>
  %k1 = "sem.onnx"(%k, %heads) {attrs = {}, domain = "", op_type = "Reshape", version = 24 : i64, operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>} : (tensor<1x5x8xf32>, tensor<4xi64>) -> tensor<1x5x2x4xf32>
  %k2 = "sem.onnx"(%k1) {attrs = {perm = array<i64: 0, 2, 1, 3>}, domain = "", op_type = "Transpose", version = 24 : i64, operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>} : (tensor<1x5x2x4xf32>) -> tensor<1x2x5x4xf32>
  %v1 = "sem.onnx"(%v, %heads) {attrs = {}, domain = "", op_type = "Reshape", version = 24 : i64, operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>} : (tensor<1x5x8xf32>, tensor<4xi64>) -> tensor<1x5x2x4xf32>
  %v2 = "sem.onnx"(%v1) {attrs = {perm = array<i64: 0, 2, 1, 3>}, domain = "", op_type = "Transpose", version = 24 : i64, operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>} : (tensor<1x5x2x4xf32>) -> tensor<1x2x5x4xf32>
  %a = "sem.attention"(%q, %k2, %v2) {is_causal = false, kv_num_heads = 0 : i64, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0>, q_num_heads = 0 : i64, resultSegmentSizes = array<i32: 1, 0, 0, 0>, scale = 0.5 : f64, softcap = 0.0 : f32} : (tensor<1x2x5x4xf32>, tensor<1x2x5x4xf32>, tensor<1x2x5x4xf32>) -> tensor<1x2x5x4xf32>
  %t = "sem.onnx"(%a) {attrs = {perm = array<i64: 0, 2, 1, 3>}, domain = "", op_type = "Transpose", version = 24 : i64, operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>} : (tensor<1x2x5x4xf32>) -> tensor<1x5x2x4xf32>
  %r = "sem.onnx"(%t, %joined) {attrs = {}, domain = "", op_type = "Reshape", version = 24 : i64, operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>} : (tensor<1x5x2x4xf32>, tensor<3xi64>) -> tensor<1x5x8xf32>
  return %r : tensor<1x5x8xf32>
}
