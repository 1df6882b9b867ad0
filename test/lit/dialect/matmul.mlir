// RUN: noema opt %s --split-input-file --verify-diagnostics
// RUN: not noema opt %s --split-input-file 2>/dev/null | FileCheck %s

// CHECK-LABEL: func.func @forms(
// CHECK-NEXT: "sem.matmul"(%{{.*}}, %{{.*}}) {transpose_lhs = false, transpose_rhs = false} : (tensor<?x12x8xf32>, tensor<8x4xf32>) -> tensor<?x12x4xf32>
// CHECK-NEXT: "sem.matmul"(%{{.*}}, %{{.*}}) {sem.role = "mlp.up", transpose_lhs = true, transpose_rhs = true} : (tensor<5x1x8x?xf32>, tensor<3x4x8xf32>) -> tensor<5x3x?x4xf32>
func.func @forms(%a: tensor<?x12x8xf32>, %b: tensor<8x4xf32>, %c: tensor<5x1x8x?xf32>, %d: tensor<3x4x8xf32>) {
  %0 = "sem.matmul"(%a, %b) {transpose_lhs = false, transpose_rhs = false} : (tensor<?x12x8xf32>, tensor<8x4xf32>) -> tensor<?x12x4xf32>
  %1 = "sem.matmul"(%c, %d) {transpose_lhs = true, transpose_rhs = true, sem.role = "mlp.up"} : (tensor<5x1x8x?xf32>, tensor<3x4x8xf32>) -> tensor<5x3x?x4xf32>
  return
}

// -----

func.func @contraction(%a: tensor<2x8xf32>, %b: tensor<7x4xf32>) {
  // expected-error@+1 {{contraction extents differ: 8 and 7}}
  %0 = "sem.matmul"(%a, %b) {transpose_lhs = false, transpose_rhs = false} : (tensor<2x8xf32>, tensor<7x4xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @transposed_contraction(%a: tensor<2x8xf32>, %b: tensor<8x4xf32>) {
  // expected-error@+1 {{contraction extents differ: 8 and 4}}
  %0 = "sem.matmul"(%a, %b) {transpose_lhs = false, transpose_rhs = true} : (tensor<2x8xf32>, tensor<8x4xf32>) -> tensor<2x8xf32>
  return
}

// -----

func.func @batch(%a: tensor<2x3x8xf32>, %b: tensor<5x8x4xf32>) {
  // expected-error@+1 {{batch shapes don't broadcast: (2,) and (5,)}}
  %0 = "sem.matmul"(%a, %b) {transpose_lhs = false, transpose_rhs = false} : (tensor<2x3x8xf32>, tensor<5x8x4xf32>) -> tensor<2x3x4xf32>
  return
}

// -----

func.func @vector(%a: tensor<8xf32>, %b: tensor<8x4xf32>) {
  // expected-error@+1 {{takes operands of rank 2 or more}}
  %0 = "sem.matmul"(%a, %b) {transpose_lhs = false, transpose_rhs = false} : (tensor<8xf32>, tensor<8x4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @result(%a: tensor<2x8xf32>, %b: tensor<8x4xf32>) {
  // expected-error@+1 {{result shape is (2, 5), expected (2, 4)}}
  %0 = "sem.matmul"(%a, %b) {transpose_lhs = false, transpose_rhs = false} : (tensor<2x8xf32>, tensor<8x4xf32>) -> tensor<2x5xf32>
  return
}

// -----

func.func @missing_flag(%a: tensor<2x8xf32>, %b: tensor<8x4xf32>) {
  // expected-error@+1 {{'sem.matmul' op}}
  %0 = "sem.matmul"(%a, %b) {transpose_lhs = false} : (tensor<2x8xf32>, tensor<8x4xf32>) -> tensor<2x4xf32>
  return
}
