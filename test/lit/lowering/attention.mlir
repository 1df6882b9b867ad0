// RUN: noema opt %s --lower --split-input-file | FileCheck %s

// Four heads share the keys of two: the queries are regrouped, the keys are not copied.
// CHECK-LABEL: func.func @main(
// CHECK: arith.constant 0.353553
// CHECK: tensor.collapse_shape
// CHECK-SAME: into tensor<?x2x?x8xf32>
// CHECK: iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction"]
// CHECK-SAME: %arg1 :
// CHECK: arith.mulf
// CHECK: arith.addf
// CHECK: arith.cmpi sle
// CHECK: linalg.softmax dimension(3)
// CHECK: iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction"]
// CHECK-SAME: %arg2 :
// CHECK: arith.mulf
// CHECK: arith.addf
func.func @main(%x: tensor<?x4x?x8xf32>, %y: tensor<?x2x?x8xf32>, %z: tensor<?x2x?x8xf32>) -> tensor<?x4x?x8xf32> {
  %0 = "sem.onnx"(%x, %y, %z) {
    op_type = "Attention", domain = "", version = 24 : i64, attrs = {is_causal = 1 : i64},
    operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<?x4x?x8xf32>, tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>) -> tensor<?x4x?x8xf32>
  return %0 : tensor<?x4x?x8xf32>
}

// -----

// The same from the named op, which carries the scale; what is cached comes before the keys.
// CHECK-LABEL: func.func @main(
// CHECK: arith.constant 5.000000e-01
// CHECK: tensor.insert_slice
// CHECK: iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction"]
// CHECK: linalg.softmax dimension(3)
func.func @main(%x: tensor<2x4x3x8xf32>, %y: tensor<2x2x3x8xf32>, %p: tensor<2x2x5x8xf32>) -> (tensor<2x4x3x8xf32>, tensor<2x2x8x8xf32>) {
  %0:2 = "sem.attention"(%x, %y, %y, %p, %p) {
    scale = 0.5 : f64, is_causal = true, softcap = 0.0 : f32, q_num_heads = 0 : i64, kv_num_heads = 0 : i64,
    operandSegmentSizes = array<i32: 1, 1, 1, 0, 1, 1, 0, 0>, resultSegmentSizes = array<i32: 1, 1, 0, 0>
  } : (tensor<2x4x3x8xf32>, tensor<2x2x3x8xf32>, tensor<2x2x3x8xf32>, tensor<2x2x5x8xf32>, tensor<2x2x5x8xf32>) -> (tensor<2x4x3x8xf32>, tensor<2x2x8x8xf32>)
  return %0#0, %0#1 : tensor<2x4x3x8xf32>, tensor<2x2x8x8xf32>
}

// -----

// CHECK-LABEL: func.func @main(
// CHECK: tensor.extract %arg1[
// CHECK: tensor.extract %arg2[
// CHECK: tensor.expand_shape
// CHECK-SAME: into tensor<?x4x5x2x4xf32>
// CHECK: linalg.generic
// CHECK: arith.subf
// CHECK: arith.addf
// CHECK: -> tensor<?x4x5x2x4xf32>
func.func @main(%x: tensor<?x4x5x8xf32>, %y: tensor<5x4xf32>, %z: tensor<5x4xf32>, %u: tensor<?x5xi64>) -> tensor<?x4x5x8xf32> {
  %0 = "sem.rope"(%x, %y, %z, %u) {
    interleaved = false, num_heads = 0 : i64, rotary_embedding_dim = 0 : i64,
    operandSegmentSizes = array<i32: 1, 1, 1, 1>
  } : (tensor<?x4x5x8xf32>, tensor<5x4xf32>, tensor<5x4xf32>, tensor<?x5xi64>) -> tensor<?x4x5x8xf32>
  return %0 : tensor<?x4x5x8xf32>
}

// -----

// A factor per feature is split into pairs like x itself; neighbours are the pairs.
// CHECK-LABEL: func.func @main(
// CHECK: tensor.expand_shape
// CHECK-SAME: into tensor<2x3x4x2x2xf32>
// CHECK: tensor.expand_shape
// CHECK-SAME: into tensor<4x2x2xf32>
// CHECK: linalg.generic
// CHECK: arith.subf
// CHECK: tensor.insert_slice
func.func @main(%x: tensor<2x3x4x6xf32>, %c: tensor<4x4xf32>) -> tensor<2x3x4x6xf32> {
  %0 = "sem.rope"(%x, %c, %c) {
    interleaved = true, num_heads = 0 : i64, rotary_embedding_dim = 4 : i64,
    operandSegmentSizes = array<i32: 1, 1, 1, 0>
  } : (tensor<2x3x4x6xf32>, tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<2x3x4x6xf32>
  return %0 : tensor<2x3x4x6xf32>
}

// -----

// One token of a gated recurrence: the state decays, takes k ⊗ v up, and is read by two queries.
// CHECK-LABEL: func.func @main(
// CHECK: math.exp
// CHECK: arith.mulf
// CHECK: arith.mulf
// CHECK: arith.addf
// CHECK: iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction"]
// CHECK: tensor<?x1x4xf32>
func.func @main(%q: tensor<?x1x4xf32>, %k: tensor<?x1x2xf32>, %v: tensor<?x1x2xf32>, %s: tensor<?x1x2x2xf32>, %g: tensor<?x1x1xf32>) -> (tensor<?x1x4xf32>, tensor<?x1x2x2xf32>) {
  %0:2 = "sem.onnx"(%q, %k, %v, %s, %g) {
    op_type = "LinearAttention", domain = "", version = 27 : i64,
    attrs = {kv_num_heads = 1 : i64, q_num_heads = 2 : i64, update_rule = "gated"},
    operandSegmentSizes = array<i32: 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<?x1x4xf32>, tensor<?x1x2xf32>, tensor<?x1x2xf32>, tensor<?x1x2x2xf32>, tensor<?x1x1xf32>) -> (tensor<?x1x4xf32>, tensor<?x1x2x2xf32>)
  return %0#0, %0#1 : tensor<?x1x4xf32>, tensor<?x1x2x2xf32>
}

// -----

// Queries that another product reads too get a tensor of their own; keys that none reads don't.
// CHECK-LABEL: func.func @main(
// CHECK: "util.optimization_barrier"(%arg0)
// CHECK-NOT: "util.optimization_barrier"
// CHECK: linalg.softmax
func.func @main(%x: tensor<?x4x?x8xf32>, %y: tensor<?x4x?x8xf32>, %z: tensor<?x4x?x8xf32>, %w: tensor<8x3xf32>) -> (tensor<?x4x?x8xf32>, tensor<?x4x?x3xf32>) {
  %0 = "sem.attention"(%x, %y, %z) {is_causal = false, kv_num_heads = 0 : i64, q_num_heads = 0 : i64, scale = 0.5 : f64, softcap = 0.0 : f32, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 0, 0, 0>} : (tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>) -> tensor<?x4x?x8xf32>
  %1 = "sem.matmul"(%x, %w) {transpose_lhs = false, transpose_rhs = false} : (tensor<?x4x?x8xf32>, tensor<8x3xf32>) -> tensor<?x4x?x3xf32>
  return %0, %1 : tensor<?x4x?x8xf32>, tensor<?x4x?x3xf32>
}

// -----

// One more score takes its share of each softmax: it counts in the largest and in the sum.
// CHECK-LABEL: func.func @main(
// CHECK: arith.maximumf
// CHECK: arith.maximumf
// CHECK: math.exp
// CHECK: arith.addf
// CHECK: math.exp
// CHECK: arith.addf
// CHECK: arith.divf
// CHECK-NOT: linalg.softmax
func.func @main(%x: tensor<2x4x3x8xf32>, %y: tensor<2x2x5x8xf32>, %s: tensor<1x4x1x1xf32>) -> tensor<2x4x3x8xf32> {
  %0 = "sem.attention"(%x, %y, %y, %s) {
    scale = 0.5 : f64, is_causal = false, softcap = 0.0 : f32, q_num_heads = 0 : i64, kv_num_heads = 0 : i64,
    operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 1>, resultSegmentSizes = array<i32: 1, 0, 0, 0>
  } : (tensor<2x4x3x8xf32>, tensor<2x2x5x8xf32>, tensor<2x2x5x8xf32>, tensor<1x4x1x1xf32>) -> tensor<2x4x3x8xf32>
  return %0 : tensor<2x4x3x8xf32>
}
