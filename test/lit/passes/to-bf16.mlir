// RUN: noema opt %s --passes=to-bf16 | FileCheck %s
// RUN: noema opt %s --passes=to-bf16,fuse | FileCheck %s --check-prefix=FUSED

// Operands of a product are rounded; its result, and what is done to it, stay f32.
// CHECK-LABEL: func.func @product(
// CHECK-DAG: %[[W:.*]] = "sem.param"() {{.*}} -> tensor<16x32xbf16>
// CHECK-DAG: %[[X:.*]] = "sem.elementwise"(%arg0) {kind = "cast"{{.*}} -> tensor<8x16xbf16>
// CHECK: %[[P:.*]] = "sem.matmul"(%[[X]], %[[W]]) {{.*}} -> tensor<8x32xf32>
// CHECK: "sem.activation"(%[[P]]){{.*}} -> tensor<8x32xf32>
// The second product alone reads the activation: it is stored as bf16.
// CHECK: %[[N:.*]] = "sem.elementwise"(%{{.*}}) {kind = "cast"{{.*}} -> tensor<8x32xbf16>
// CHECK: "sem.matmul"(%[[N]]
// FUSED-LABEL: func.func @product(
// FUSED: "sem.fused"() ({
// FUSED: "sem.matmul"
// FUSED: "sem.activation"
// FUSED: "sem.elementwise"({{.*}}kind = "cast"
// FUSED: "sem.yield"({{.*}}tensor<8x32xbf16>
func.func @product(%x: tensor<8x16xf32>) -> tensor<8x16xf32> {
  %w = "sem.constant"() {value = dense<1.0> : tensor<16x32xf32>} : () -> tensor<16x32xf32>
  %u = "sem.constant"() {value = dense<1.0> : tensor<32x16xf32>} : () -> tensor<32x16xf32>
  %0 = "sem.matmul"(%x, %w) {transpose_lhs = false, transpose_rhs = false} : (tensor<8x16xf32>, tensor<16x32xf32>) -> tensor<8x32xf32>
  %1 = "sem.activation"(%0) {alpha = 0.0 : f32, beta = 0.0 : f32, kind = "relu"} : (tensor<8x32xf32>) -> tensor<8x32xf32>
  %2 = "sem.matmul"(%1, %u) {transpose_lhs = false, transpose_rhs = false} : (tensor<8x32xf32>, tensor<32x16xf32>) -> tensor<8x16xf32>
  return %2 : tensor<8x16xf32>
}

// A residual of a convolutional part is stored as bf16, and widened where it is added.
// CHECK-LABEL: func.func @residual(
// CHECK: %[[A:.*]] = "sem.activation"
// CHECK: %[[N:.*]] = "sem.elementwise"(%[[A]]) {kind = "cast"{{.*}} -> tensor<1x4x4x8xbf16>
// CHECK: %[[R:.*]] = "sem.elementwise"(%[[N]]) {kind = "cast"{{.*}} -> tensor<1x4x4x8xf32>
// CHECK: %[[C:.*]] = "sem.conv"(%[[N]]
// CHECK: "sem.elementwise"(%[[C]], %[[R]]) {kind = "add"
func.func @residual(%x: tensor<1x4x4x8xf32>) -> tensor<1x4x4x8xf32> {
  %w = "sem.constant"() {value = dense<1.0> : tensor<8x8x3x3xf32>} : () -> tensor<8x8x3x3xf32>
  %0 = "sem.conv"(%x, %w) {channels_last, dilations = array<i64: 1, 1>, groups = 1 : i64, operandSegmentSizes = array<i32: 1, 1, 0>, pads = array<i64: 1, 1, 1, 1>, strides = array<i64: 1, 1>, sem.kind = "conv_block"} : (tensor<1x4x4x8xf32>, tensor<8x8x3x3xf32>) -> tensor<1x4x4x8xf32>
  %1 = "sem.activation"(%0) {alpha = 0.0 : f32, beta = 0.0 : f32, kind = "relu", sem.kind = "conv_block"} : (tensor<1x4x4x8xf32>) -> tensor<1x4x4x8xf32>
  %2 = "sem.conv"(%1, %w) {channels_last, dilations = array<i64: 1, 1>, groups = 1 : i64, operandSegmentSizes = array<i32: 1, 1, 0>, pads = array<i64: 1, 1, 1, 1>, strides = array<i64: 1, 1>, sem.kind = "conv_block"} : (tensor<1x4x4x8xf32>, tensor<8x8x3x3xf32>) -> tensor<1x4x4x8xf32>
  %3 = "sem.elementwise"(%2, %1) {kind = "add", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<1x4x4x8xf32>, tensor<1x4x4x8xf32>) -> tensor<1x4x4x8xf32>
  return %3 : tensor<1x4x4x8xf32>
}

// A depthwise convolution stays f32, operands and all; the product that reads it gets bf16.
// CHECK-LABEL: func.func @depthwise(
// CHECK: %[[D:.*]] = "sem.conv"(%arg0, %{{.*}}) {{.*}} : (tensor<1x4x4x8xf32>, tensor<8x1x3x3xf32>) -> tensor<1x4x4x8xf32>
// CHECK: %[[N:.*]] = "sem.elementwise"(%[[D]]) {kind = "cast"{{.*}} -> tensor<1x4x4x8xbf16>
// CHECK: "sem.conv"(%[[N]], %{{.*}}) {{.*}} : (tensor<1x4x4x8xbf16>, tensor<4x8x1x1xbf16>) -> tensor<1x4x4x4xf32>
func.func @depthwise(%x: tensor<1x4x4x8xf32>) -> tensor<1x4x4x4xf32> {
  %w = "sem.constant"() {value = dense<1.0> : tensor<8x1x3x3xf32>} : () -> tensor<8x1x3x3xf32>
  %u = "sem.constant"() {value = dense<1.0> : tensor<4x8x1x1xf32>} : () -> tensor<4x8x1x1xf32>
  %0 = "sem.conv"(%x, %w) {channels_last, dilations = array<i64: 1, 1>, groups = 8 : i64, operandSegmentSizes = array<i32: 1, 1, 0>, pads = array<i64: 1, 1, 1, 1>, strides = array<i64: 1, 1>} : (tensor<1x4x4x8xf32>, tensor<8x1x3x3xf32>) -> tensor<1x4x4x8xf32>
  %1 = "sem.conv"(%0, %u) {channels_last, dilations = array<i64: 1, 1>, groups = 1 : i64, operandSegmentSizes = array<i32: 1, 1, 0>, pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>} : (tensor<1x4x4x8xf32>, tensor<4x8x1x1xf32>) -> tensor<1x4x4x4xf32>
  return %1 : tensor<1x4x4x4xf32>
}
