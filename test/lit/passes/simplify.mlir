// RUN: noema opt %s --passes=simplify | FileCheck %s
// RUN: noema opt %s --passes=simplify --timing -o %t.mlir 2>&1 | FileCheck %s --check-prefix=COUNT
// RUN: noema opt %t.mlir --passes=simplify --timing 2>&1 | FileCheck %s --check-prefix=AGAIN

// What holds for all patterns; simplify-*.mlir have them one by one.
//
// COUNT: simplify {{.*}} merge-transposes 1, transpose-into-matmul 2
// AGAIN: simplify {{.*}} no change

#slots_1 = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>

// The example of the pass.
// CHECK-LABEL: func.func @weight(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x8xf32>, %[[W:[a-z0-9]+]]: tensor<4x8xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.matmul"(%[[X]], %[[W]]) {transpose_lhs = false, transpose_rhs = true{{.*}} -> tensor<?x4xf32>
// CHECK-NEXT: return %[[V0]]
func.func @weight(%x: tensor<?x8xf32>, %w: tensor<4x8xf32>) -> tensor<?x4xf32> {
  %t = "sem.onnx"(%w) {
    op_type = "Transpose", domain = "", version = 21 : i64, attrs = {perm = array<i64: 1, 0>},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<4x8xf32>) -> tensor<8x4xf32>
  %y = "sem.matmul"(%x, %t) {transpose_lhs = false, transpose_rhs = false} : (tensor<?x8xf32>, tensor<8x4xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// What one pattern leaves, another takes up: two transposes cancel but for the matrix one.
// CHECK-LABEL: func.func @chain(
// CHECK-SAME: %[[Q:[a-z0-9]+]]: tensor<2x3x5x4xf32>, %[[K:[a-z0-9]+]]: tensor<2x5x3x4xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.onnx"(%[[K]]) {attrs = {perm = array<i64: 0, 2, 1, 3>}, domain = "", op_type = "Transpose"{{.*}} -> tensor<2x3x5x4xf32>
// CHECK-NEXT: %[[V1:.*]] = "sem.matmul"(%[[Q]], %[[V0]]) {transpose_lhs = false, transpose_rhs = true{{.*}} -> tensor<2x3x5x5xf32>
// CHECK-NEXT: return %[[V1]]
func.func @chain(%q: tensor<2x3x5x4xf32>, %k: tensor<2x5x3x4xf32>) -> tensor<2x3x5x5xf32> {
  %a = "sem.onnx"(%k) {
    op_type = "Transpose", domain = "", version = 21 : i64, attrs = {perm = array<i64: 0, 2, 1, 3>},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<2x5x3x4xf32>) -> tensor<2x3x5x4xf32>
  %b = "sem.onnx"(%a) {
    op_type = "Transpose", domain = "", version = 21 : i64, attrs = {perm = array<i64: 0, 1, 3, 2>},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<2x3x5x4xf32>) -> tensor<2x3x4x5xf32>
  %y = "sem.matmul"(%q, %b) {transpose_lhs = false, transpose_rhs = false} : (tensor<2x3x5x4xf32>, tensor<2x3x4x5xf32>) -> tensor<2x3x5x5xf32>
  return %y : tensor<2x3x5x5xf32>
}
