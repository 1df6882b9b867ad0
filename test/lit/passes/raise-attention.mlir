// RUN: noema opt %s --passes=raise | FileCheck %s

// Attention, RotaryEmbedding and Gather from a weight become the ops that say so.

#in_3 = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
#in_6 = array<i32: 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
#in_4 = array<i32: 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
#in_2 = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
#out_1 = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
#out_3 = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>

// CHECK-LABEL: func.func @attention(
// CHECK-NEXT: %[[R:.*]] = "sem.attention"(%arg0, %arg1, %arg1) {is_causal = true, kv_num_heads = 0 : i64, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0>, q_num_heads = 0 : i64, resultSegmentSizes = array<i32: 1, 0, 0, 0>, scale = 2.500000e-01 : f64, softcap = 0.000000e+00 : f32}
// CHECK-NEXT: return %[[R]]
func.func @attention(%q: tensor<?x4x?x16xf32>, %k: tensor<?x2x?x16xf32>) -> tensor<?x4x?x16xf32> {
  %0 = "sem.onnx"(%q, %k, %k) {
    op_type = "Attention", domain = "", version = 24 : i64, attrs = {is_causal = 1 : i64},
    operandSegmentSizes = #in_3, resultSegmentSizes = #out_1
  } : (tensor<?x4x?x16xf32>, tensor<?x2x?x16xf32>, tensor<?x2x?x16xf32>) -> tensor<?x4x?x16xf32>
  return %0 : tensor<?x4x?x16xf32>
}

// All outputs are served.
// CHECK-LABEL: func.func @cached(
// CHECK-NEXT: %[[R:.*]]:3 = "sem.attention"(%arg0, %arg1, %arg1, %arg2, %arg3, %arg3)
// CHECK-SAME: kv_num_heads = 2 : i64
// CHECK-SAME: q_num_heads = 4 : i64
// CHECK-SAME: scale = 5.000000e-01 : f64
// CHECK-NEXT: return %[[R]]#0, %[[R]]#1, %[[R]]#2
func.func @cached(%q: tensor<2x5x32xf32>, %k: tensor<2x5x16xf32>, %m: tensor<5x7xi1>, %p: tensor<2x2x2x8xf32>) -> (tensor<2x5x32xf32>, tensor<2x2x7x8xf32>, tensor<2x2x7x8xf32>) {
  %0:3 = "sem.onnx"(%q, %k, %k, %m, %p, %p) {
    op_type = "Attention", domain = "", version = 24 : i64,
    attrs = {q_num_heads = 4 : i64, kv_num_heads = 2 : i64, scale = 0.5 : f32},
    operandSegmentSizes = #in_6, resultSegmentSizes = #out_3
  } : (tensor<2x5x32xf32>, tensor<2x5x16xf32>, tensor<2x5x16xf32>, tensor<5x7xi1>, tensor<2x2x2x8xf32>, tensor<2x2x2x8xf32>) -> (tensor<2x5x32xf32>, tensor<2x2x7x8xf32>, tensor<2x2x7x8xf32>)
  return %0#0, %0#1, %0#2 : tensor<2x5x32xf32>, tensor<2x2x7x8xf32>, tensor<2x2x7x8xf32>
}

// The default scale needs the head size.
// CHECK-LABEL: func.func @unknown_head_size(
// CHECK-NEXT: "sem.onnx"
func.func @unknown_head_size(%q: tensor<2x4x5x?xf32>) -> tensor<2x4x5x?xf32> {
  %0 = "sem.onnx"(%q, %q, %q) {
    op_type = "Attention", domain = "", version = 24 : i64, attrs = {},
    operandSegmentSizes = #in_3, resultSegmentSizes = #out_1
  } : (tensor<2x4x5x?xf32>, tensor<2x4x5x?xf32>, tensor<2x4x5x?xf32>) -> tensor<2x4x5x?xf32>
  return %0 : tensor<2x4x5x?xf32>
}

// CHECK-LABEL: func.func @rotary_by_positions(
// CHECK-NEXT: %[[R:.*]] = "sem.rope"(%arg0, %arg1, %arg1, %arg2) {interleaved = true, num_heads = 0 : i64, operandSegmentSizes = array<i32: 1, 1, 1, 1>, rotary_embedding_dim = 0 : i64}
// CHECK-NEXT: return %[[R]]
func.func @rotary_by_positions(%x: tensor<?x4x?x8xf32>, %c: tensor<64x4xf32>, %p: tensor<?x?xi64>) -> tensor<?x4x?x8xf32> {
  %0 = "sem.onnx"(%x, %c, %c, %p) {
    op_type = "RotaryEmbedding", domain = "", version = 24 : i64, attrs = {interleaved = 1 : i64},
    operandSegmentSizes = #in_4, resultSegmentSizes = #out_1
  } : (tensor<?x4x?x8xf32>, tensor<64x4xf32>, tensor<64x4xf32>, tensor<?x?xi64>) -> tensor<?x4x?x8xf32>
  return %0 : tensor<?x4x?x8xf32>
}

// CHECK-LABEL: func.func @rotary_by_factors(
// CHECK-NEXT: %[[AXIS:.*]] = "sem.constant"() {value = dense<2> : tensor<1xi64>}
// CHECK-NEXT: %[[C:.*]] = "sem.onnx"(%arg1, %[[AXIS]]) {{.*}}op_type = "Unsqueeze"{{.*}} -> tensor<2x5x1x4xf32>
// CHECK-NEXT: %[[S:.*]] = "sem.onnx"(%arg1, %[[AXIS]]) {{.*}}op_type = "Unsqueeze"
// CHECK-NEXT: %[[R:.*]] = "sem.rope"(%arg0, %[[C]], %[[S]]) {interleaved = false, num_heads = 4 : i64, operandSegmentSizes = array<i32: 1, 1, 1, 0>, rotary_embedding_dim = 0 : i64}
// CHECK-NEXT: return %[[R]]
func.func @rotary_by_factors(%x: tensor<2x5x32xf32>, %c: tensor<2x5x4xf32>) -> tensor<2x5x32xf32> {
  %0 = "sem.onnx"(%x, %c, %c) {
    op_type = "RotaryEmbedding", domain = "", version = 24 : i64, attrs = {num_heads = 4 : i64},
    operandSegmentSizes = #in_3, resultSegmentSizes = #out_1
  } : (tensor<2x5x32xf32>, tensor<2x5x4xf32>, tensor<2x5x4xf32>) -> tensor<2x5x32xf32>
  return %0 : tensor<2x5x32xf32>
}

// CHECK-LABEL: func.func @embedding(
// CHECK-NEXT: %[[T:.*]] = "sem.param"
// CHECK-NEXT: %[[R:.*]] = "sem.embedding"(%[[T]], %arg0) : (tensor<100x8xf32>, tensor<?x?xi64>) -> tensor<?x?x8xf32>
// CHECK-NEXT: return %[[R]]
func.func @embedding(%i: tensor<?x?xi64>) -> tensor<?x?x8xf32> {
  %t = "sem.param"() {parameter = "wte"} : () -> tensor<100x8xf32>
  %0 = "sem.onnx"(%t, %i) {
    op_type = "Gather", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #in_2, resultSegmentSizes = #out_1
  } : (tensor<100x8xf32>, tensor<?x?xi64>) -> tensor<?x?x8xf32>
  return %0 : tensor<?x?x8xf32>
}

// Not lookups in a table: columns, constant rows, rows of what the network computes.
// CHECK-LABEL: func.func @not_embeddings(
// CHECK-NOT: sem.embedding
func.func @not_embeddings(%i: tensor<3xi64>, %x: tensor<100x8xf32>) -> (tensor<100x3xf32>, tensor<2x8xf32>, tensor<3x8xf32>) {
  %t = "sem.param"() {parameter = "wte"} : () -> tensor<100x8xf32>
  %c = "sem.constant"() {value = dense<[1, 2]> : tensor<2xi64>} : () -> tensor<2xi64>
  %0 = "sem.onnx"(%t, %i) {
    op_type = "Gather", domain = "", version = 21 : i64, attrs = {axis = 1 : i64},
    operandSegmentSizes = #in_2, resultSegmentSizes = #out_1
  } : (tensor<100x8xf32>, tensor<3xi64>) -> tensor<100x3xf32>
  %1 = "sem.onnx"(%t, %c) {
    op_type = "Gather", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #in_2, resultSegmentSizes = #out_1
  } : (tensor<100x8xf32>, tensor<2xi64>) -> tensor<2x8xf32>
  %2 = "sem.onnx"(%x, %i) {
    op_type = "Gather", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #in_2, resultSegmentSizes = #out_1
  } : (tensor<100x8xf32>, tensor<3xi64>) -> tensor<3x8xf32>
  return %0, %1, %2 : tensor<100x3xf32>, tensor<2x8xf32>, tensor<3x8xf32>
}
