// RUN: noema opt %s --passes=simplify,recognize,dce | FileCheck %s

// GELU, swish and the like, spelled out, and their look-alikes.

// CHECK-LABEL: func.func @gelu(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x8xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.activation"(%[[X]]) {alpha = 0.000000e+00 : f32, beta = 0.000000e+00 : f32, kind = "gelu_erf"{{.*}} -> tensor<?x8xf32>
// CHECK-NEXT: return %[[V0]]
func.func @gelu(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %root = "sem.constant"() {value = dense<1.41421354> : tensor<f32>} : () -> tensor<f32>
  %one = "sem.constant"() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %half = "sem.constant"() {value = dense<0.5> : tensor<f32>} : () -> tensor<f32>
  %a = "sem.elementwise"(%x, %root) {kind = "div", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x8xf32>, tensor<f32>) -> tensor<?x8xf32>
  %b = "sem.elementwise"(%a) {kind = "erf", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?x8xf32>) -> tensor<?x8xf32>
  %c = "sem.elementwise"(%b, %one) {kind = "add", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x8xf32>, tensor<f32>) -> tensor<?x8xf32>
  %d = "sem.elementwise"(%x, %c) {kind = "mul", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  %y = "sem.elementwise"(%d, %half) {kind = "mul", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x8xf32>, tensor<f32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// The half goes to the bell, whose terms are multiplied out.
// CHECK-LABEL: func.func @gelu_of_the_normal_distribution(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x8xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.activation"(%[[X]]) {alpha = 0.000000e+00 : f32, beta = 0.000000e+00 : f32, kind = "gelu_erf"{{.*}} -> tensor<?x8xf32>
// CHECK-NEXT: return %[[V0]]
func.func @gelu_of_the_normal_distribution(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %root = "sem.constant"() {value = dense<0.707106769> : tensor<f32>} : () -> tensor<f32>
  %half = "sem.constant"() {value = dense<0.5> : tensor<f32>} : () -> tensor<f32>
  %a = "sem.elementwise"(%root, %x) {kind = "mul", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<f32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  %b = "sem.elementwise"(%a) {kind = "erf", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?x8xf32>) -> tensor<?x8xf32>
  %c = "sem.elementwise"(%b, %half) {kind = "mul", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x8xf32>, tensor<f32>) -> tensor<?x8xf32>
  %d = "sem.elementwise"(%half, %c) {kind = "add", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<f32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  %y = "sem.elementwise"(%d, %x) {kind = "mul", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// The bell is computed in f32.
// CHECK-LABEL: func.func @gelu_between_casts(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x8xf16>
// CHECK-NEXT: %[[V0:.*]] = "sem.activation"(%[[X]]) {alpha = 0.000000e+00 : f32, beta = 0.000000e+00 : f32, kind = "gelu_erf"{{.*}} -> tensor<?x8xf16>
// CHECK-NEXT: return %[[V0]]
func.func @gelu_between_casts(%x: tensor<?x8xf16>) -> tensor<?x8xf16> {
  %root = "sem.constant"() {value = dense<1.41421354> : tensor<f32>} : () -> tensor<f32>
  %one = "sem.constant"() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %half = "sem.constant"() {value = dense<0.5> : tensor<f16>} : () -> tensor<f16>
  %w = "sem.elementwise"(%x) {kind = "cast", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?x8xf16>) -> tensor<?x8xf32>
  %a = "sem.elementwise"(%w, %root) {kind = "div", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x8xf32>, tensor<f32>) -> tensor<?x8xf32>
  %b = "sem.elementwise"(%a) {kind = "erf", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?x8xf32>) -> tensor<?x8xf32>
  %c = "sem.elementwise"(%b, %one) {kind = "add", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x8xf32>, tensor<f32>) -> tensor<?x8xf32>
  %n = "sem.elementwise"(%c) {kind = "cast", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?x8xf32>) -> tensor<?x8xf16>
  %d = "sem.elementwise"(%x, %half) {kind = "mul", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x8xf16>, tensor<f16>) -> tensor<?x8xf16>
  %y = "sem.elementwise"(%d, %n) {kind = "mul", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x8xf16>, tensor<?x8xf16>) -> tensor<?x8xf16>
  return %y : tensor<?x8xf16>
}

// CHECK-LABEL: func.func @gelu_tanh(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x8xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.activation"(%[[X]]) {alpha = 0.000000e+00 : f32, beta = 0.000000e+00 : f32, kind = "gelu_tanh"{{.*}} -> tensor<?x8xf32>
// CHECK-NEXT: return %[[V0]]
func.func @gelu_tanh(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %three = "sem.constant"() {value = dense<3.0> : tensor<f32>} : () -> tensor<f32>
  %k = "sem.constant"() {value = dense<4.471500e-02> : tensor<f32>} : () -> tensor<f32>
  %r = "sem.constant"() {value = dense<0.797884583> : tensor<f32>} : () -> tensor<f32>
  %one = "sem.constant"() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %half = "sem.constant"() {value = dense<0.5> : tensor<f32>} : () -> tensor<f32>
  %h = "sem.elementwise"(%x, %half) {kind = "mul", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x8xf32>, tensor<f32>) -> tensor<?x8xf32>
  %a = "sem.elementwise"(%x, %three) {kind = "pow", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x8xf32>, tensor<f32>) -> tensor<?x8xf32>
  %b = "sem.elementwise"(%a, %k) {kind = "mul", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x8xf32>, tensor<f32>) -> tensor<?x8xf32>
  %c = "sem.elementwise"(%x, %b) {kind = "add", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  %d = "sem.elementwise"(%c, %r) {kind = "mul", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x8xf32>, tensor<f32>) -> tensor<?x8xf32>
  %e = "sem.activation"(%d) {alpha = 0.0 : f32, beta = 0.0 : f32, kind = "tanh"} : (tensor<?x8xf32>) -> tensor<?x8xf32>
  %f = "sem.elementwise"(%e, %one) {kind = "add", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x8xf32>, tensor<f32>) -> tensor<?x8xf32>
  %y = "sem.elementwise"(%h, %f) {kind = "mul", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// x (0.79788 + 0.035677 x²), as ONNX Runtime's FastGelu is expanded.
// CHECK-LABEL: func.func @gelu_tanh_with_a_square(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x8xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.activation"(%[[X]]) {alpha = 0.000000e+00 : f32, beta = 0.000000e+00 : f32, kind = "gelu_tanh"{{.*}} -> tensor<?x8xf32>
// CHECK-NEXT: return %[[V0]]
func.func @gelu_tanh_with_a_square(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %k = "sem.constant"() {value = dense<0.0356774069> : tensor<f32>} : () -> tensor<f32>
  %r = "sem.constant"() {value = dense<0.797884583> : tensor<f32>} : () -> tensor<f32>
  %half = "sem.constant"() {value = dense<0.5> : tensor<f32>} : () -> tensor<f32>
  %a = "sem.elementwise"(%x, %x) {kind = "mul", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  %b = "sem.elementwise"(%a, %k) {kind = "mul", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x8xf32>, tensor<f32>) -> tensor<?x8xf32>
  %c = "sem.elementwise"(%r, %b) {kind = "add", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<f32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  %d = "sem.elementwise"(%x, %c) {kind = "mul", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  %e = "sem.activation"(%d) {alpha = 0.0 : f32, beta = 0.0 : f32, kind = "tanh"} : (tensor<?x8xf32>) -> tensor<?x8xf32>
  %f = "sem.elementwise"(%e, %half) {kind = "mul", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x8xf32>, tensor<f32>) -> tensor<?x8xf32>
  %g = "sem.elementwise"(%f, %half) {kind = "add", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x8xf32>, tensor<f32>) -> tensor<?x8xf32>
  %y = "sem.elementwise"(%x, %g) {kind = "mul", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// CHECK-LABEL: func.func @quick_gelu(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x8xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.activation"(%[[X]]) {alpha = 1.702000e+00 : f32, beta = 0.000000e+00 : f32, kind = "swish"{{.*}} -> tensor<?x8xf32>
// CHECK-NEXT: return %[[V0]]
func.func @quick_gelu(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %k = "sem.constant"() {value = dense<1.702> : tensor<f32>} : () -> tensor<f32>
  %a = "sem.elementwise"(%x, %k) {kind = "mul", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x8xf32>, tensor<f32>) -> tensor<?x8xf32>
  %b = "sem.activation"(%a) {alpha = 0.0 : f32, beta = 0.0 : f32, kind = "sigmoid"} : (tensor<?x8xf32>) -> tensor<?x8xf32>
  %y = "sem.elementwise"(%b, %x) {kind = "mul", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// CHECK-LABEL: func.func @swish(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x8xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.activation"(%[[X]]) {alpha = 1.000000e+00 : f32, beta = 0.000000e+00 : f32, kind = "swish"{{.*}} -> tensor<?x8xf32>
// CHECK-NEXT: return %[[V0]]
func.func @swish(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %s = "sem.activation"(%x) {alpha = 0.0 : f32, beta = 0.0 : f32, kind = "sigmoid"} : (tensor<?x8xf32>) -> tensor<?x8xf32>
  %y = "sem.elementwise"(%x, %s) {kind = "mul", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// CHECK-LABEL: func.func @hard_swish(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x8xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.activation"(%[[X]]) {alpha = 0.000000e+00 : f32, beta = 0.000000e+00 : f32, kind = "hard_swish"{{.*}} -> tensor<?x8xf32>
// CHECK-NEXT: return %[[V0]]
func.func @hard_swish(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %three = "sem.constant"() {value = dense<3.0> : tensor<f32>} : () -> tensor<f32>
  %zero = "sem.constant"() {value = dense<0.0> : tensor<f32>} : () -> tensor<f32>
  %six = "sem.constant"() {value = dense<6.0> : tensor<f32>} : () -> tensor<f32>
  %a = "sem.elementwise"(%x, %three) {kind = "add", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x8xf32>, tensor<f32>) -> tensor<?x8xf32>
  %b = "sem.elementwise"(%a, %zero, %six) {kind = "clip", operandSegmentSizes = array<i32: 1, 1, 1>} : (tensor<?x8xf32>, tensor<f32>, tensor<f32>) -> tensor<?x8xf32>
  %c = "sem.elementwise"(%x, %b) {kind = "mul", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  %y = "sem.elementwise"(%c, %six) {kind = "div", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x8xf32>, tensor<f32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// CHECK-LABEL: func.func @hard_swish_of_hard_sigmoid(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x8xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.activation"(%[[X]]) {alpha = 0.000000e+00 : f32, beta = 0.000000e+00 : f32, kind = "hard_swish"{{.*}} -> tensor<?x8xf32>
// CHECK-NEXT: return %[[V0]]
func.func @hard_swish_of_hard_sigmoid(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %a = "sem.activation"(%x) {kind = "hard_sigmoid", alpha = 0.166666672 : f32, beta = 0.5 : f32} : (tensor<?x8xf32>) -> tensor<?x8xf32>
  %y = "sem.elementwise"(%x, %a) {kind = "mul", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// CHECK-LABEL: func.func @hard_swish_of_relu6(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x8xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.activation"(%[[X]]) {alpha = 0.000000e+00 : f32, beta = 0.000000e+00 : f32, kind = "hard_swish"{{.*}} -> tensor<?x8xf32>
// CHECK-NEXT: return %[[V0]]
func.func @hard_swish_of_relu6(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %three = "sem.constant"() {value = dense<3.0> : tensor<f32>} : () -> tensor<f32>
  %six = "sem.constant"() {value = dense<6.0> : tensor<f32>} : () -> tensor<f32>
  %a = "sem.elementwise"(%x, %three) {kind = "add", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x8xf32>, tensor<f32>) -> tensor<?x8xf32>
  %b = "sem.activation"(%a) {alpha = 0.0 : f32, beta = 0.0 : f32, kind = "relu"} : (tensor<?x8xf32>) -> tensor<?x8xf32>
  %c = "sem.elementwise"(%b, %six) {kind = "min", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x8xf32>, tensor<f32>) -> tensor<?x8xf32>
  %d = "sem.elementwise"(%c, %six) {kind = "div", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x8xf32>, tensor<f32>) -> tensor<?x8xf32>
  %y = "sem.elementwise"(%x, %d) {kind = "mul", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// CHECK-LABEL: func.func @mish(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x8xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.activation"(%[[X]]) {alpha = 0.000000e+00 : f32, beta = 0.000000e+00 : f32, kind = "mish"{{.*}} -> tensor<?x8xf32>
// CHECK-NEXT: return %[[V0]]
func.func @mish(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %a = "sem.activation"(%x) {alpha = 0.0 : f32, beta = 0.0 : f32, kind = "softplus"} : (tensor<?x8xf32>) -> tensor<?x8xf32>
  %b = "sem.activation"(%a) {alpha = 0.0 : f32, beta = 0.0 : f32, kind = "tanh"} : (tensor<?x8xf32>) -> tensor<?x8xf32>
  %y = "sem.elementwise"(%x, %b) {kind = "mul", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// The look-alikes of these: test/unit/passes/patterns/test_lookalikes.py. One of them:
// CHECK-LABEL: func.func @gate_of_another_value(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x8xf32>, %[[Z:[a-z0-9]+]]: tensor<?x8xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.activation"(%[[Z]]) {alpha = 0.000000e+00 : f32, beta = 0.000000e+00 : f32, kind = "sigmoid"{{.*}} -> tensor<?x8xf32>
// CHECK-NEXT: %[[V1:.*]] = "sem.elementwise"(%[[X]], %[[V0]]) {kind = "mul"{{.*}} -> tensor<?x8xf32>
// CHECK-NEXT: return %[[V1]]
func.func @gate_of_another_value(%x: tensor<?x8xf32>, %z: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %s = "sem.activation"(%z) {alpha = 0.0 : f32, beta = 0.0 : f32, kind = "sigmoid"} : (tensor<?x8xf32>) -> tensor<?x8xf32>
  %y = "sem.elementwise"(%x, %s) {kind = "mul", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}
