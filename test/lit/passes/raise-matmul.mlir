// RUN: noema opt %s --passes=raise | FileCheck %s

// MatMul and Gemm become sem.matmul, with what else Gemm does spelled out.

#slots_1 = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
#slots_11 = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
#slots_111 = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>

// CHECK-LABEL: func.func @matmul(
// CHECK-NEXT: %[[R:.*]] = "sem.matmul"(%{{.*}}, %{{.*}}) {transpose_lhs = false, transpose_rhs = false} : (tensor<?x12x8xf32>, tensor<8x4xf32>) -> tensor<?x12x4xf32>
// CHECK-NEXT: return %[[R]]
func.func @matmul(%a0: tensor<?x12x8xf32>, %a1: tensor<8x4xf32>) -> tensor<?x12x4xf32> {
  %0 = "sem.onnx"(%a0, %a1) {
    op_type = "MatMul", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<?x12x8xf32>, tensor<8x4xf32>) -> tensor<?x12x4xf32>
  return %0 : tensor<?x12x4xf32>
}

// sem.matmul takes matrices only: the vector is a column for a while.
// CHECK-LABEL: func.func @matrix_times_vector(
// CHECK-NEXT: %[[ONE:.*]] = "sem.constant"() {value = dense<1> : tensor<1xi64>}
// CHECK-NEXT: %[[C:.*]] = "sem.onnx"(%arg1, %[[ONE]]) {{.*}}op_type = "Unsqueeze"{{.*}} -> tensor<8x1xf32>
// CHECK-NEXT: %[[P:.*]] = "sem.matmul"(%arg0, %[[C]]) {{.*}} -> tensor<?x12x1xf32>
// CHECK-NEXT: %[[LAST:.*]] = "sem.constant"() {value = dense<-1> : tensor<1xi64>}
// CHECK-NEXT: %[[R:.*]] = "sem.onnx"(%[[P]], %[[LAST]]) {{.*}}op_type = "Squeeze"{{.*}} -> tensor<?x12xf32>
// CHECK-NEXT: return %[[R]]
func.func @matrix_times_vector(%a0: tensor<?x12x8xf32>, %a1: tensor<8xf32>) -> tensor<?x12xf32> {
  %0 = "sem.onnx"(%a0, %a1) {
    op_type = "MatMul", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<?x12x8xf32>, tensor<8xf32>) -> tensor<?x12xf32>
  return %0 : tensor<?x12xf32>
}

// CHECK-LABEL: func.func @vector_times_matrix(
// CHECK-NEXT: %{{.*}} = "sem.constant"() {value = dense<0> : tensor<1xi64>}
// CHECK-NEXT: %{{.*}} = "sem.onnx"{{.*}}op_type = "Unsqueeze"{{.*}} -> tensor<1x8xf32>
// CHECK-NEXT: %{{.*}} = "sem.matmul"{{.*}} -> tensor<5x1x4xf32>
// CHECK-NEXT: %{{.*}} = "sem.constant"() {value = dense<-2> : tensor<1xi64>}
// CHECK-NEXT: %{{.*}} = "sem.onnx"{{.*}}op_type = "Squeeze"{{.*}} -> tensor<5x4xf32>
func.func @vector_times_matrix(%a0: tensor<8xf32>, %a1: tensor<5x8x4xf32>) -> tensor<5x4xf32> {
  %0 = "sem.onnx"(%a0, %a1) {
    op_type = "MatMul", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<8xf32>, tensor<5x8x4xf32>) -> tensor<5x4xf32>
  return %0 : tensor<5x4xf32>
}

// CHECK-LABEL: func.func @dot_product(
// CHECK: %{{.*}} = "sem.matmul"{{.*}} : (tensor<1x?xf32>, tensor<8x1xf32>) -> tensor<1x1xf32>
// CHECK-NEXT: %{{.*}} = "sem.constant"() {value = dense<[-2, -1]> : tensor<2xi64>}
// CHECK-NEXT: %{{.*}} = "sem.onnx"{{.*}}op_type = "Squeeze"{{.*}} -> tensor<f32>
func.func @dot_product(%a0: tensor<?xf32>, %a1: tensor<8xf32>) -> tensor<f32> {
  %0 = "sem.onnx"(%a0, %a1) {
    op_type = "MatMul", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<?xf32>, tensor<8xf32>) -> tensor<f32>
  return %0 : tensor<f32>
}

// CHECK-LABEL: func.func @matmul_of_integers(
// CHECK-NEXT: %{{.*}} = "sem.onnx"
func.func @matmul_of_integers(%a0: tensor<2x8xi32>, %a1: tensor<8x4xi32>) -> tensor<2x4xi32> {
  %0 = "sem.onnx"(%a0, %a1) {
    op_type = "MatMul", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<2x8xi32>, tensor<8x4xi32>) -> tensor<2x4xi32>
  return %0 : tensor<2x4xi32>
}

// CHECK-LABEL: func.func @gemm(
// CHECK-NEXT: %[[R:.*]] = "sem.matmul"(%{{.*}}, %{{.*}}) {transpose_lhs = false, transpose_rhs = false}
// CHECK-NEXT: return %[[R]]
func.func @gemm(%a0: tensor<?x8xf32>, %a1: tensor<8x4xf32>) -> tensor<?x4xf32> {
  %0 = "sem.onnx"(%a0, %a1) {
    op_type = "Gemm", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<?x8xf32>, tensor<8x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @gemm_transposed_with_bias(
// CHECK-NEXT: %[[P:.*]] = "sem.matmul"(%{{.*}}, %{{.*}}) {transpose_lhs = true, transpose_rhs = true} : (tensor<8x?xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
// CHECK-NEXT: %[[R:.*]] = "sem.elementwise"(%[[P]], %{{.*}}) {kind = "add", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
// CHECK-NEXT: return %[[R]]
func.func @gemm_transposed_with_bias(%a0: tensor<8x?xf32>, %a1: tensor<4x8xf32>, %a2: tensor<4xf32>) -> tensor<?x4xf32> {
  %0 = "sem.onnx"(%a0, %a1, %a2) {
    op_type = "Gemm", domain = "", version = 21 : i64, attrs = {transA = 1 : i64, transB = 1 : i64},
    operandSegmentSizes = #slots_111, resultSegmentSizes = #slots_1
  } : (tensor<8x?xf32>, tensor<4x8xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @gemm_scaled(
// CHECK-NEXT: %[[P:.*]] = "sem.matmul"
// CHECK-NEXT: %[[A:.*]] = "sem.constant"() {value = dense<5.000000e-01> : tensor<f16>} : () -> tensor<f16>
// CHECK-NEXT: %[[S:.*]] = "sem.elementwise"(%[[P]], %[[A]]) {kind = "mul"
// CHECK-NEXT: %[[B:.*]] = "sem.constant"() {value = dense<2.000000e+00> : tensor<f16>} : () -> tensor<f16>
// CHECK-NEXT: %[[C:.*]] = "sem.elementwise"(%{{.*}}, %[[B]]) {kind = "mul", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<4xf16>, tensor<f16>) -> tensor<4xf16>
// CHECK-NEXT: %[[R:.*]] = "sem.elementwise"(%[[S]], %[[C]]) {kind = "add"
// CHECK-NEXT: return %[[R]]
func.func @gemm_scaled(%a0: tensor<2x8xf16>, %a1: tensor<8x4xf16>, %a2: tensor<4xf16>) -> tensor<2x4xf16> {
  %0 = "sem.onnx"(%a0, %a1, %a2) {
    op_type = "Gemm", domain = "", version = 21 : i64, attrs = {alpha = 5.000000e-01 : f32, beta = 2.000000e+00 : f32},
    operandSegmentSizes = #slots_111, resultSegmentSizes = #slots_1
  } : (tensor<2x8xf16>, tensor<8x4xf16>, tensor<4xf16>) -> tensor<2x4xf16>
  return %0 : tensor<2x4xf16>
}

// The addend doesn't count, not even its NaNs.
// CHECK-LABEL: func.func @gemm_beta_zero(
// CHECK-NEXT: %[[R:.*]] = "sem.matmul"
// CHECK-NEXT: return %[[R]]
func.func @gemm_beta_zero(%a0: tensor<2x8xf32>, %a1: tensor<8x4xf32>, %a2: tensor<4xf32>) -> tensor<2x4xf32> {
  %0 = "sem.onnx"(%a0, %a1, %a2) {
    op_type = "Gemm", domain = "", version = 21 : i64, attrs = {beta = 0.000000e+00 : f32},
    operandSegmentSizes = #slots_111, resultSegmentSizes = #slots_1
  } : (tensor<2x8xf32>, tensor<8x4xf32>, tensor<4xf32>) -> tensor<2x4xf32>
  return %0 : tensor<2x4xf32>
}

// A product per batch and head; the result is asked for in another order.
// CHECK-LABEL: func.func @einsum(
// CHECK-NEXT: %[[A:.*]] = "sem.onnx"(%arg0) {attrs = {perm = array<i64: 0, 2, 1, 3>}, {{.*}}op_type = "Transpose"{{.*}} -> tensor<?x4x5x8xf32>
// CHECK-NEXT: %[[B:.*]] = "sem.onnx"(%arg1) {attrs = {perm = array<i64: 0, 2, 1, 3>}, {{.*}}op_type = "Transpose"{{.*}} -> tensor<?x4x7x8xf32>
// CHECK-NEXT: %[[P:.*]] = "sem.matmul"(%[[A]], %[[B]]) {transpose_lhs = false, transpose_rhs = true} : (tensor<?x4x5x8xf32>, tensor<?x4x7x8xf32>) -> tensor<?x4x5x7xf32>
// CHECK-NEXT: %[[R:.*]] = "sem.onnx"(%[[P]]) {attrs = {perm = array<i64: 0, 2, 1, 3>}
// CHECK-NEXT: return %[[R]]
func.func @einsum(%a0: tensor<?x5x4x8xf32>, %a1: tensor<?x7x4x8xf32>) -> tensor<?x5x4x7xf32> {
  %0 = "sem.onnx"(%a0, %a1) {
    op_type = "Einsum", domain = "", version = 21 : i64, attrs = {equation = "bqhd,bkhd->bqhk"},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<?x5x4x8xf32>, tensor<?x7x4x8xf32>) -> tensor<?x5x4x7xf32>
  return %0 : tensor<?x5x4x7xf32>
}

// Two labels of rows: not one product of matrices.
// CHECK-LABEL: func.func @einsum_of_more(
// CHECK-NEXT: %{{.*}} = "sem.onnx"
func.func @einsum_of_more(%a0: tensor<2x5x8xf32>, %a1: tensor<8x4xf32>) -> tensor<2x5x4xf32> {
  %0 = "sem.onnx"(%a0, %a1) {
    op_type = "Einsum", domain = "", version = 21 : i64, attrs = {equation = "abk,kn->abn"},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<2x5x8xf32>, tensor<8x4xf32>) -> tensor<2x5x4xf32>
  return %0 : tensor<2x5x4xf32>
}
