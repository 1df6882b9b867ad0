// RUN: noema opt %s --passes=fold-into-conv | FileCheck %s

// With scale 6 and variance + epsilon 4 the weight grows threefold; the bias is 3 (1 - 2) + 5 = 2.
// CHECK-LABEL: func.func @norm(
// CHECK-DAG: "sem.param"() {{.*}}parameter = "conv.normalized"
// CHECK-DAG: "sem.param"() {{.*}}parameter = "conv.shift"
// CHECK: %[[C:.*]] = "sem.conv"(%arg0, %{{.*}}, %{{.*}}) {{.*}}operandSegmentSizes = array<i32: 1, 1, 1>
// CHECK-NEXT: return %[[C]]
func.func @norm(%x: tensor<1x1x4x4xf32>) -> tensor<1x1x4x4xf32> {
  %w = "sem.constant"() {value = dense<2.0> : tensor<1x1x1x1xf32>} : () -> tensor<1x1x1x1xf32>
  %b = "sem.constant"() {value = dense<1.0> : tensor<1xf32>} : () -> tensor<1xf32>
  %scale = "sem.constant"() {value = dense<6.0> : tensor<1xf32>} : () -> tensor<1xf32>
  %shift = "sem.constant"() {value = dense<5.0> : tensor<1xf32>} : () -> tensor<1xf32>
  %mean = "sem.constant"() {value = dense<2.0> : tensor<1xf32>} : () -> tensor<1xf32>
  %variance = "sem.constant"() {value = dense<3.0> : tensor<1xf32>} : () -> tensor<1xf32>
  %0 = "sem.conv"(%x, %w, %b) {dilations = array<i64: 1, 1>, groups = 1 : i64, operandSegmentSizes = array<i32: 1, 1, 1>, pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>} : (tensor<1x1x4x4xf32>, tensor<1x1x1x1xf32>, tensor<1xf32>) -> tensor<1x1x4x4xf32>
  %1 = "sem.norm"(%0, %scale, %shift, %mean, %variance) {axis = 1 : i64, epsilon = 1.0 : f32, groups = 1 : i64, kind = "batch", operandSegmentSizes = array<i32: 1, 1, 1, 1, 1>} : (tensor<1x1x4x4xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x1x4x4xf32>
  return %1 : tensor<1x1x4x4xf32>
}

// Another reader of the convolution wants it as it was.
// CHECK-LABEL: func.func @shared(
// CHECK: "sem.norm"
func.func @shared(%x: tensor<1x1x4x4xf32>) -> (tensor<1x1x4x4xf32>, tensor<1x1x4x4xf32>) {
  %w = "sem.constant"() {value = dense<2.0> : tensor<1x1x1x1xf32>} : () -> tensor<1x1x1x1xf32>
  %one = "sem.constant"() {value = dense<1.0> : tensor<1xf32>} : () -> tensor<1xf32>
  %0 = "sem.conv"(%x, %w) {dilations = array<i64: 1, 1>, groups = 1 : i64, operandSegmentSizes = array<i32: 1, 1, 0>, pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>} : (tensor<1x1x4x4xf32>, tensor<1x1x1x1xf32>) -> tensor<1x1x4x4xf32>
  %1 = "sem.norm"(%0, %one, %one, %one, %one) {axis = 1 : i64, epsilon = 1.0 : f32, groups = 1 : i64, kind = "batch", operandSegmentSizes = array<i32: 1, 1, 1, 1, 1>} : (tensor<1x1x4x4xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x1x4x4xf32>
  return %0, %1 : tensor<1x1x4x4xf32>, tensor<1x1x4x4xf32>
}

// Zeros before a convolution are its own padding; a reflection is not.
// CHECK-LABEL: func.func @pad(
// CHECK: "sem.conv"(%arg0, %{{.*}}) {{.*}}pads = array<i64: 1, 2, 3, 4>
// CHECK: "sem.onnx"({{.*}}op_type = "Pad"
// CHECK: "sem.conv"(%{{.*}}pads = array<i64: 0, 1, 0, 1>
func.func @pad(%x: tensor<1x1x4x4xf32>) -> (tensor<1x1x8x10xf32>, tensor<1x1x8x10xf32>) {
  %w = "sem.constant"() {value = dense<2.0> : tensor<1x1x1x1xf32>} : () -> tensor<1x1x1x1xf32>
  %p = "sem.constant"() {value = dense<[0, 0, 1, 1, 0, 0, 3, 3]> : tensor<8xi64>} : () -> tensor<8xi64>
  %0 = "sem.onnx"(%x, %p) {attrs = {}, domain = "", op_type = "Pad", version = 24 : i64, operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>} : (tensor<1x1x4x4xf32>, tensor<8xi64>) -> tensor<1x1x8x8xf32>
  %1 = "sem.conv"(%0, %w) {dilations = array<i64: 1, 1>, groups = 1 : i64, operandSegmentSizes = array<i32: 1, 1, 0>, pads = array<i64: 0, 1, 0, 1>, strides = array<i64: 1, 1>} : (tensor<1x1x8x8xf32>, tensor<1x1x1x1xf32>) -> tensor<1x1x8x10xf32>
  %2 = "sem.onnx"(%x, %p) {attrs = {mode = "reflect"}, domain = "", op_type = "Pad", version = 24 : i64, operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>} : (tensor<1x1x4x4xf32>, tensor<8xi64>) -> tensor<1x1x8x8xf32>
  %3 = "sem.conv"(%2, %w) {dilations = array<i64: 1, 1>, groups = 1 : i64, operandSegmentSizes = array<i32: 1, 1, 0>, pads = array<i64: 0, 1, 0, 1>, strides = array<i64: 1, 1>} : (tensor<1x1x8x8xf32>, tensor<1x1x1x1xf32>) -> tensor<1x1x8x10xf32>
  return %1, %3 : tensor<1x1x8x10xf32>, tensor<1x1x8x10xf32>
}
