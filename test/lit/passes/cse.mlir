// RUN: noema opt %s --passes=cse | FileCheck %s

// All sem ops are pure: MLIR's own pass merges equal ones, weights included.
// CHECK-LABEL: func.func @merge(
// CHECK-NEXT: %[[W:.*]] = "sem.param"() {parameter = "w"}
// CHECK-NEXT: %[[M:.*]] = "sem.matmul"(%{{.*}}, %[[W]]) {transpose_lhs = false, transpose_rhs = true}
// CHECK-NEXT: %[[N:.*]] = "sem.matmul"(%{{.*}}, %[[W]]) {transpose_lhs = false, transpose_rhs = false}
// CHECK-NEXT: return %[[M]], %[[M]], %[[N]]
func.func @merge(%x: tensor<4x8xf32>) -> (tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>) {
  %0 = "sem.param"() {parameter = "w"} : () -> tensor<8x8xf32>
  %1 = "sem.param"() {parameter = "w"} : () -> tensor<8x8xf32>
  %2 = "sem.matmul"(%x, %0) {transpose_lhs = false, transpose_rhs = true} : (tensor<4x8xf32>, tensor<8x8xf32>) -> tensor<4x8xf32>
  %3 = "sem.matmul"(%x, %1) {transpose_lhs = false, transpose_rhs = true} : (tensor<4x8xf32>, tensor<8x8xf32>) -> tensor<4x8xf32>
  %4 = "sem.matmul"(%x, %1) {transpose_lhs = false, transpose_rhs = false} : (tensor<4x8xf32>, tensor<8x8xf32>) -> tensor<4x8xf32>
  return %2, %3, %4 : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>
}
