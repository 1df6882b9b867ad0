// RUN: noema opt %s --split-input-file --verify-diagnostics
// RUN: not noema opt %s --split-input-file 2>/dev/null | FileCheck %s

// CHECK-LABEL: func.func @forms(
// CHECK-NEXT: "sem.rope"(%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}) {interleaved = true, num_heads = 0 : i64, operandSegmentSizes = array<i32: 1, 1, 1, 1>, rotary_embedding_dim = 8 : i64}
// CHECK-NEXT: "sem.rope"(%{{.*}}, %{{.*}}, %{{.*}}) {interleaved = false, num_heads = 0 : i64, operandSegmentSizes = array<i32: 1, 1, 1, 0>, rotary_embedding_dim = 0 : i64}
// CHECK-NEXT: "sem.rope"(%{{.*}}, %{{.*}}, %{{.*}}) {interleaved = false, num_heads = 4 : i64
func.func @forms(%x: tensor<?x4x?x12xf32>, %t: tensor<64x4xf32>, %p: tensor<?x?xi64>, %c: tensor<?x1x?x12xf32>, %y: tensor<2x5x48xf32>, %d: tensor<5x1x6xf32>) {
  %0 = "sem.rope"(%x, %t, %t, %p) {interleaved = true, num_heads = 0 : i64, rotary_embedding_dim = 8 : i64, operandSegmentSizes = array<i32: 1, 1, 1, 1>}
         : (tensor<?x4x?x12xf32>, tensor<64x4xf32>, tensor<64x4xf32>, tensor<?x?xi64>) -> tensor<?x4x?x12xf32>
  %1 = "sem.rope"(%x, %c, %c) {interleaved = false, num_heads = 0 : i64, rotary_embedding_dim = 0 : i64, operandSegmentSizes = array<i32: 1, 1, 1, 0>}
         : (tensor<?x4x?x12xf32>, tensor<?x1x?x12xf32>, tensor<?x1x?x12xf32>) -> tensor<?x4x?x12xf32>
  %2 = "sem.rope"(%y, %d, %d) {interleaved = false, num_heads = 4 : i64, rotary_embedding_dim = 0 : i64, operandSegmentSizes = array<i32: 1, 1, 1, 0>}
         : (tensor<2x5x48xf32>, tensor<5x1x6xf32>, tensor<5x1x6xf32>) -> tensor<2x5x48xf32>
  return
}

// -----

func.func @odd(%x: tensor<2x5x7xf32>, %c: tensor<5x7xf32>) {
  // expected-error@+1 {{rotates 7 features of heads of 7}}
  %0 = "sem.rope"(%x, %c, %c) {interleaved = false, num_heads = 0 : i64, rotary_embedding_dim = 0 : i64, operandSegmentSizes = array<i32: 1, 1, 1, 0>}
         : (tensor<2x5x7xf32>, tensor<5x7xf32>, tensor<5x7xf32>) -> tensor<2x5x7xf32>
  return
}

// -----

func.func @factors(%x: tensor<2x5x8xf32>, %c: tensor<5x2xf32>) {
  // expected-error@+1 {{has 2 factors for 8 rotated features}}
  %0 = "sem.rope"(%x, %c, %c) {interleaved = false, num_heads = 0 : i64, rotary_embedding_dim = 0 : i64, operandSegmentSizes = array<i32: 1, 1, 1, 0>}
         : (tensor<2x5x8xf32>, tensor<5x2xf32>, tensor<5x2xf32>) -> tensor<2x5x8xf32>
  return
}

// -----

func.func @broadcast(%x: tensor<2x5x8xf32>, %c: tensor<3x5x8xf32>) {
  // expected-error@+1 {{has cos or sin of (3, 5, 8) for x of (2, 5, 8)}}
  %0 = "sem.rope"(%x, %c, %c) {interleaved = false, num_heads = 0 : i64, rotary_embedding_dim = 0 : i64, operandSegmentSizes = array<i32: 1, 1, 1, 0>}
         : (tensor<2x5x8xf32>, tensor<3x5x8xf32>, tensor<3x5x8xf32>) -> tensor<2x5x8xf32>
  return
}

// -----

func.func @positions(%x: tensor<2x4x5x8xf32>, %c: tensor<64x4xf32>, %p: tensor<2x4xi64>) {
  // expected-error@+1 {{has positions of (2, 4), expected (2, 5)}}
  %0 = "sem.rope"(%x, %c, %c, %p) {interleaved = false, num_heads = 0 : i64, rotary_embedding_dim = 0 : i64, operandSegmentSizes = array<i32: 1, 1, 1, 1>}
         : (tensor<2x4x5x8xf32>, tensor<64x4xf32>, tensor<64x4xf32>, tensor<2x4xi64>) -> tensor<2x4x5x8xf32>
  return
}

// -----

func.func @elements(%x: tensor<2x5x8xf16>, %c: tensor<5x8xf32>) {
  // expected-error@+1 {{has x, cos, sin and result of different element types}}
  %0 = "sem.rope"(%x, %c, %c) {interleaved = false, num_heads = 0 : i64, rotary_embedding_dim = 0 : i64, operandSegmentSizes = array<i32: 1, 1, 1, 0>}
         : (tensor<2x5x8xf16>, tensor<5x8xf32>, tensor<5x8xf32>) -> tensor<2x5x8xf16>
  return
}
