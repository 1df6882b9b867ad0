// RUN: noema opt %s --split-input-file --verify-diagnostics
// RUN: not noema opt %s --split-input-file 2>/dev/null | FileCheck %s

// CHECK-LABEL: func.func @forms(
// CHECK-NEXT: "sem.attention"(%{{.*}}, %{{.*}}, %{{.*}}) {is_causal = true, kv_num_heads = 0 : i64, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0>, q_num_heads = 0 : i64, resultSegmentSizes = array<i32: 1, 0, 0, 0>, scale = 1.250000e-01 : f64, softcap = 5.000000e+01 : f32} : (tensor<?x4x?x8xf32>, tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>) -> tensor<?x4x?x8xf32>
// CHECK-NEXT: "sem.attention"(%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}) {{.*}} -> (tensor<2x5x32xf32>, tensor<2x2x7x8xf32>, tensor<2x2x7x8xf32>)
func.func @forms(%q: tensor<?x4x?x8xf32>, %k: tensor<?x2x?x8xf32>, %x: tensor<2x5x32xf32>, %y: tensor<2x5x16xf32>, %m: tensor<5x7xi1>, %p: tensor<2x2x2x8xf32>) {
  %0 = "sem.attention"(%q, %k, %k) {
    scale = 0.125 : f64, is_causal = true, softcap = 50.0 : f32, q_num_heads = 0 : i64, kv_num_heads = 0 : i64,
    operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 0, 0, 0>
  } : (tensor<?x4x?x8xf32>, tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>) -> tensor<?x4x?x8xf32>
  %1:3 = "sem.attention"(%x, %y, %y, %m, %p, %p) {
    scale = 0.125 : f64, is_causal = false, softcap = 0.0 : f32, q_num_heads = 4 : i64, kv_num_heads = 2 : i64,
    operandSegmentSizes = array<i32: 1, 1, 1, 1, 1, 1, 0, 0>, resultSegmentSizes = array<i32: 1, 1, 1, 0>
  } : (tensor<2x5x32xf32>, tensor<2x5x16xf32>, tensor<2x5x16xf32>, tensor<5x7xi1>, tensor<2x2x2x8xf32>, tensor<2x2x2x8xf32>) -> (tensor<2x5x32xf32>, tensor<2x2x7x8xf32>, tensor<2x2x7x8xf32>)
  return
}

// -----

// One more score for each head, or for each query of each head.
// CHECK-LABEL: func.func @sinks(
// CHECK-COUNT-2: operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 1>
func.func @sinks(%q: tensor<?x4x?x8xf32>, %k: tensor<?x2x?x8xf32>, %a: tensor<1x4x1x1xf32>, %b: tensor<?x4x?x1xf32>) {
  %0 = "sem.attention"(%q, %k, %k, %a) {
    scale = 0.125 : f64, is_causal = true, softcap = 0.0 : f32, q_num_heads = 0 : i64, kv_num_heads = 0 : i64,
    operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 1>, resultSegmentSizes = array<i32: 1, 0, 0, 0>
  } : (tensor<?x4x?x8xf32>, tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>, tensor<1x4x1x1xf32>) -> tensor<?x4x?x8xf32>
  %1 = "sem.attention"(%q, %k, %k, %b) {
    scale = 0.125 : f64, is_causal = true, softcap = 0.0 : f32, q_num_heads = 0 : i64, kv_num_heads = 0 : i64,
    operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 1>, resultSegmentSizes = array<i32: 1, 0, 0, 0>
  } : (tensor<?x4x?x8xf32>, tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>, tensor<?x4x?x1xf32>) -> tensor<?x4x?x8xf32>
  return
}

// -----

func.func @sinks_of_keys(%q: tensor<2x4x5x8xf32>, %s: tensor<2x4x5x5xf32>) {
  // expected-error@+1 {{has sinks of (2, 4, 5, 5) for scores of (2, 4, 5, 5)}}
  %0 = "sem.attention"(%q, %q, %q, %s) {
    scale = 0.125 : f64, is_causal = false, softcap = 0.0 : f32, q_num_heads = 0 : i64, kv_num_heads = 0 : i64,
    operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 1>, resultSegmentSizes = array<i32: 1, 0, 0, 0>
  } : (tensor<2x4x5x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5x5xf32>) -> tensor<2x4x5x8xf32>
  return
}

// -----

func.func @heads(%q: tensor<2x4x5x8xf32>, %k: tensor<2x3x5x8xf32>) {
  // expected-error@+1 {{has 4 query heads, not a multiple of 3 key heads}}
  %0 = "sem.attention"(%q, %k, %k) {
    scale = 0.125 : f64, is_causal = false, softcap = 0.0 : f32, q_num_heads = 0 : i64, kv_num_heads = 0 : i64,
    operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 0, 0, 0>
  } : (tensor<2x4x5x8xf32>, tensor<2x3x5x8xf32>, tensor<2x3x5x8xf32>) -> tensor<2x4x5x8xf32>
  return
}

// -----

func.func @no_heads(%q: tensor<2x5x8xf32>) {
  // expected-error@+1 {{needs the number of heads of operands of rank 3}}
  %0 = "sem.attention"(%q, %q, %q) {
    scale = 0.125 : f64, is_causal = false, softcap = 0.0 : f32, q_num_heads = 0 : i64, kv_num_heads = 0 : i64,
    operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 0, 0, 0>
  } : (tensor<2x5x8xf32>, tensor<2x5x8xf32>, tensor<2x5x8xf32>) -> tensor<2x5x8xf32>
  return
}

// -----

func.func @head_size(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x5x6xf32>) {
  // expected-error@+1 {{has q, k and v of (2, 4, 5, 8), (2, 4, 5, 6) and (2, 4, 5, 6)}}
  %0 = "sem.attention"(%q, %k, %k) {
    scale = 0.125 : f64, is_causal = false, softcap = 0.0 : f32, q_num_heads = 0 : i64, kv_num_heads = 0 : i64,
    operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 0, 0, 0>
  } : (tensor<2x4x5x8xf32>, tensor<2x4x5x6xf32>, tensor<2x4x5x6xf32>) -> tensor<2x4x5x6xf32>
  return
}

// -----

func.func @mask(%q: tensor<2x4x5x8xf32>, %m: tensor<3x1x5x5xf32>) {
  // expected-error@+1 {{has a mask of (3, 1, 5, 5) for scores of (2, 4, 5, 5)}}
  %0 = "sem.attention"(%q, %q, %q, %m) {
    scale = 0.125 : f64, is_causal = false, softcap = 0.0 : f32, q_num_heads = 0 : i64, kv_num_heads = 0 : i64,
    operandSegmentSizes = array<i32: 1, 1, 1, 1, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 0, 0, 0>
  } : (tensor<2x4x5x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5x8xf32>, tensor<3x1x5x5xf32>) -> tensor<2x4x5x8xf32>
  return
}

// -----

func.func @half_a_cache(%q: tensor<2x4x5x8xf32>) {
  // expected-error@+1 {{takes past_key and past_value together}}
  %0 = "sem.attention"(%q, %q, %q, %q) {
    scale = 0.125 : f64, is_causal = false, softcap = 0.0 : f32, q_num_heads = 0 : i64, kv_num_heads = 0 : i64,
    operandSegmentSizes = array<i32: 1, 1, 1, 0, 1, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 0, 0, 0>
  } : (tensor<2x4x5x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5x8xf32>) -> tensor<2x4x5x8xf32>
  return
}

// -----

func.func @result(%q: tensor<2x4x5x8xf32>) {
  // expected-error@+1 {{y is (2, 5, 4, 8), expected (2, 4, 5, 8)}}
  %0 = "sem.attention"(%q, %q, %q) {
    scale = 0.125 : f64, is_causal = false, softcap = 0.0 : f32, q_num_heads = 0 : i64, kv_num_heads = 0 : i64,
    operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 0, 0, 0>
  } : (tensor<2x4x5x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5x8xf32>) -> tensor<2x5x4x8xf32>
  return
}

// -----

func.func @elements(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x5x8xf16>) {
  // expected-error@+1 {{has q of f32 and another operand of f16}}
  %0 = "sem.attention"(%q, %k, %k) {
    scale = 0.125 : f64, is_causal = false, softcap = 0.0 : f32, q_num_heads = 0 : i64, kv_num_heads = 0 : i64,
    operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 0, 0, 0>
  } : (tensor<2x4x5x8xf32>, tensor<2x4x5x8xf16>, tensor<2x4x5x8xf16>) -> tensor<2x4x5x8xf32>
  return
}

// -----

func.func @scale(%q: tensor<2x4x5x8xf32>) {
  // expected-error@+1 {{has a scale of 0, or a negative softcap}}
  %0 = "sem.attention"(%q, %q, %q) {
    scale = 0.0 : f64, is_causal = false, softcap = 0.0 : f32, q_num_heads = 0 : i64, kv_num_heads = 0 : i64,
    operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 0, 0, 0>
  } : (tensor<2x4x5x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5x8xf32>) -> tensor<2x4x5x8xf32>
  return
}
