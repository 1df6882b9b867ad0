// RUN: noema opt %s --passes=fuse | FileCheck %s

// A product takes its bias and its activation.
// CHECK-LABEL: func.func @epilogue(
// CHECK: %[[F:.*]] = "sem.fused"() ({
// CHECK-NEXT: %[[P:.*]] = "sem.matmul"
// CHECK-NEXT: %[[A:.*]] = "sem.elementwise"(%[[P]], %{{.*}}) {kind = "add"
// CHECK-NEXT: %[[R:.*]] = "sem.activation"(%[[A]])
// CHECK-NEXT: "sem.yield"(%[[R]])
// CHECK-NEXT: }) {kind = "matmul"}
// CHECK-NEXT: return %[[F]]
func.func @epilogue(%x: tensor<8x16xf32>) -> tensor<8x32xf32> {
  %w = "sem.param"() {parameter = "w"} : () -> tensor<16x32xf32>
  %b = "sem.param"() {parameter = "b"} : () -> tensor<32xf32>
  %0 = "sem.matmul"(%x, %w) {transpose_lhs = false, transpose_rhs = false} : (tensor<8x16xf32>, tensor<16x32xf32>) -> tensor<8x32xf32>
  %1 = "sem.elementwise"(%0, %b) {kind = "add", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<8x32xf32>, tensor<32xf32>) -> tensor<8x32xf32>
  %2 = "sem.activation"(%1) {alpha = 0.0 : f32, beta = 0.0 : f32, kind = "relu"} : (tensor<8x32xf32>) -> tensor<8x32xf32>
  return %2 : tensor<8x32xf32>
}

// Of two products that are added, the later one takes the addition; the first is computed by then.
// CHECK-LABEL: func.func @residual(
// CHECK: %[[FIRST:.*]] = "sem.matmul"(%arg0
// CHECK-NEXT: "sem.fused"() ({
// CHECK-NEXT: %[[SECOND:.*]] = "sem.matmul"(%arg1
// CHECK-NEXT: "sem.elementwise"(%[[FIRST]], %[[SECOND]]) {kind = "add"
func.func @residual(%x: tensor<8x16xf32>, %y: tensor<8x16xf32>) -> tensor<8x32xf32> {
  %w = "sem.param"() {parameter = "w"} : () -> tensor<16x32xf32>
  %0 = "sem.matmul"(%x, %w) {transpose_lhs = false, transpose_rhs = false} : (tensor<8x16xf32>, tensor<16x32xf32>) -> tensor<8x32xf32>
  %1 = "sem.matmul"(%y, %w) {transpose_lhs = false, transpose_rhs = false} : (tensor<8x16xf32>, tensor<16x32xf32>) -> tensor<8x32xf32>
  %2 = "sem.elementwise"(%0, %1) {kind = "add", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<8x32xf32>, tensor<8x32xf32>) -> tensor<8x32xf32>
  return %2 : tensor<8x32xf32>
}

// What two others read stays a tensor.
// CHECK-LABEL: func.func @apart(
// CHECK-NOT: sem.fused
func.func @apart(%x: tensor<8x16xf32>) -> (tensor<8x32xf32>, tensor<8x32xf32>) {
  %w = "sem.param"() {parameter = "w"} : () -> tensor<16x32xf32>
  %0 = "sem.matmul"(%x, %w) {transpose_lhs = false, transpose_rhs = false} : (tensor<8x16xf32>, tensor<16x32xf32>) -> tensor<8x32xf32>
  %1 = "sem.activation"(%0) {alpha = 0.0 : f32, beta = 0.0 : f32, kind = "relu"} : (tensor<8x32xf32>) -> tensor<8x32xf32>
  return %0, %1 : tensor<8x32xf32>, tensor<8x32xf32>
}

// A product of two activations takes what refines it too: here a scale and a mask of its shape.
// CHECK-LABEL: func.func @scores(
// CHECK: "sem.fused"() ({
// CHECK-NEXT: %[[P:.*]] = "sem.matmul"(%arg0, %arg1)
// CHECK-NEXT: %[[S:.*]] = "sem.elementwise"(%[[P]], %{{.*}}) {kind = "mul"
// CHECK-NEXT: %[[M:.*]] = "sem.elementwise"(%[[S]], %arg2) {kind = "add"
// CHECK-NEXT: "sem.yield"(%[[M]])
func.func @scores(%q: tensor<4x8x16xf32>, %k: tensor<4x6x16xf32>, %m: tensor<4x8x6xf32>) -> tensor<4x8x6xf32> {
  %c = "sem.constant"() {value = dense<0.25> : tensor<f32>} : () -> tensor<f32>
  %0 = "sem.matmul"(%q, %k) {transpose_lhs = false, transpose_rhs = true} : (tensor<4x8x16xf32>, tensor<4x6x16xf32>) -> tensor<4x8x6xf32>
  %1 = "sem.elementwise"(%0, %c) {kind = "mul", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<4x8x6xf32>, tensor<f32>) -> tensor<4x8x6xf32>
  %2 = "sem.elementwise"(%1, %m) {kind = "add", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<4x8x6xf32>, tensor<4x8x6xf32>) -> tensor<4x8x6xf32>
  return %2 : tensor<4x8x6xf32>
}
