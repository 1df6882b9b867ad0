// RUN: noema opt %s --passes=simplify,recognize,dce | FileCheck %s

// Activations spelled out in arithmetic.

// CHECK-LABEL: func.func @relu(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.activation"(%[[X]]) {alpha = 0.000000e+00 : f32, beta = 0.000000e+00 : f32, kind = "relu"{{.*}} -> tensor<?xf32>
// CHECK-NEXT: return %[[V0]]
func.func @relu(%x: tensor<?xf32>) -> tensor<?xf32> {
  %zero = "sem.constant"() {value = dense<0.0> : tensor<f32>} : () -> tensor<f32>
  %y = "sem.elementwise"(%x, %zero) {kind = "max", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?xf32>, tensor<f32>) -> tensor<?xf32>
  return %y : tensor<?xf32>
}

// CHECK-LABEL: func.func @sigmoid(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.activation"(%[[X]]) {alpha = 0.000000e+00 : f32, beta = 0.000000e+00 : f32, kind = "sigmoid"{{.*}} -> tensor<?xf32>
// CHECK-NEXT: return %[[V0]]
func.func @sigmoid(%x: tensor<?xf32>) -> tensor<?xf32> {
  %one = "sem.constant"() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %a = "sem.elementwise"(%x) {kind = "neg", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?xf32>) -> tensor<?xf32>
  %b = "sem.elementwise"(%a) {kind = "exp", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?xf32>) -> tensor<?xf32>
  %c = "sem.elementwise"(%one, %b) {kind = "add", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<f32>, tensor<?xf32>) -> tensor<?xf32>
  %y = "sem.elementwise"(%one, %c) {kind = "div", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<f32>, tensor<?xf32>) -> tensor<?xf32>
  return %y : tensor<?xf32>
}

// CHECK-LABEL: func.func @softplus(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.activation"(%[[X]]) {alpha = 0.000000e+00 : f32, beta = 0.000000e+00 : f32, kind = "softplus"{{.*}} -> tensor<?xf32>
// CHECK-NEXT: return %[[V0]]
func.func @softplus(%x: tensor<?xf32>) -> tensor<?xf32> {
  %one = "sem.constant"() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %a = "sem.elementwise"(%x) {kind = "exp", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?xf32>) -> tensor<?xf32>
  %b = "sem.elementwise"(%one, %a) {kind = "add", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<f32>, tensor<?xf32>) -> tensor<?xf32>
  %y = "sem.elementwise"(%b) {kind = "log", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?xf32>) -> tensor<?xf32>
  return %y : tensor<?xf32>
}

// log(2 + exp x) is none.
// CHECK-LABEL: func.func @not_softplus(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.constant"() {value = dense<2.000000e+00> : tensor<f32>}
// CHECK-NEXT: %[[V1:.*]] = "sem.elementwise"(%[[X]]) {kind = "exp"{{.*}} -> tensor<?xf32>
// CHECK-NEXT: %[[V2:.*]] = "sem.elementwise"(%[[V1]], %[[V0]]) {kind = "add"{{.*}} -> tensor<?xf32>
// CHECK-NEXT: %[[V3:.*]] = "sem.elementwise"(%[[V2]]) {kind = "log"{{.*}} -> tensor<?xf32>
// CHECK-NEXT: return %[[V3]]
func.func @not_softplus(%x: tensor<?xf32>) -> tensor<?xf32> {
  %two = "sem.constant"() {value = dense<2.0> : tensor<f32>} : () -> tensor<f32>
  %a = "sem.elementwise"(%x) {kind = "exp", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?xf32>) -> tensor<?xf32>
  %b = "sem.elementwise"(%a, %two) {kind = "add", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?xf32>, tensor<f32>) -> tensor<?xf32>
  %y = "sem.elementwise"(%b) {kind = "log", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?xf32>) -> tensor<?xf32>
  return %y : tensor<?xf32>
}

// CHECK-LABEL: func.func @softsign(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.activation"(%[[X]]) {alpha = 0.000000e+00 : f32, beta = 0.000000e+00 : f32, kind = "softsign"{{.*}} -> tensor<?xf32>
// CHECK-NEXT: return %[[V0]]
func.func @softsign(%x: tensor<?xf32>) -> tensor<?xf32> {
  %one = "sem.constant"() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %a = "sem.elementwise"(%x) {kind = "abs", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?xf32>) -> tensor<?xf32>
  %b = "sem.elementwise"(%a, %one) {kind = "add", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?xf32>, tensor<f32>) -> tensor<?xf32>
  %y = "sem.elementwise"(%x, %b) {kind = "div", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>
  return %y : tensor<?xf32>
}

// CHECK-LABEL: func.func @hard_sigmoid(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.activation"(%[[X]]) {alpha = 0.166666672 : f32, beta = 5.000000e-01 : f32, kind = "hard_sigmoid"{{.*}} -> tensor<?xf32>
// CHECK-NEXT: return %[[V0]]
func.func @hard_sigmoid(%x: tensor<?xf32>) -> tensor<?xf32> {
  %three = "sem.constant"() {value = dense<3.0> : tensor<f32>} : () -> tensor<f32>
  %zero = "sem.constant"() {value = dense<0.0> : tensor<f32>} : () -> tensor<f32>
  %six = "sem.constant"() {value = dense<6.0> : tensor<f32>} : () -> tensor<f32>
  %a = "sem.elementwise"(%x, %three) {kind = "add", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?xf32>, tensor<f32>) -> tensor<?xf32>
  %b = "sem.elementwise"(%a, %zero, %six) {kind = "clip", operandSegmentSizes = array<i32: 1, 1, 1>} : (tensor<?xf32>, tensor<f32>, tensor<f32>) -> tensor<?xf32>
  %y = "sem.elementwise"(%b, %six) {kind = "div", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?xf32>, tensor<f32>) -> tensor<?xf32>
  return %y : tensor<?xf32>
}

// CHECK-LABEL: func.func @hard_sigmoid_of_a_line(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.activation"(%[[X]]) {alpha = 2.000000e-01 : f32, beta = 5.000000e-01 : f32, kind = "hard_sigmoid"{{.*}} -> tensor<?xf32>
// CHECK-NEXT: return %[[V0]]
func.func @hard_sigmoid_of_a_line(%x: tensor<?xf32>) -> tensor<?xf32> {
  %slope = "sem.constant"() {value = dense<0.2> : tensor<f32>} : () -> tensor<f32>
  %half = "sem.constant"() {value = dense<0.5> : tensor<f32>} : () -> tensor<f32>
  %zero = "sem.constant"() {value = dense<0.0> : tensor<f32>} : () -> tensor<f32>
  %one = "sem.constant"() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %a = "sem.elementwise"(%x, %slope) {kind = "mul", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?xf32>, tensor<f32>) -> tensor<?xf32>
  %b = "sem.elementwise"(%a, %half) {kind = "add", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?xf32>, tensor<f32>) -> tensor<?xf32>
  %y = "sem.elementwise"(%b, %zero, %one) {kind = "clip", operandSegmentSizes = array<i32: 1, 1, 1>} : (tensor<?xf32>, tensor<f32>, tensor<f32>) -> tensor<?xf32>
  return %y : tensor<?xf32>
}

// A relu6, and one of a line.
// CHECK-LABEL: func.func @clips_that_stay(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.constant"() {value = dense<3.000000e+00> : tensor<f32>}
// CHECK-NEXT: %[[V1:.*]] = "sem.constant"() {value = dense<0.000000e+00> : tensor<f32>}
// CHECK-NEXT: %[[V2:.*]] = "sem.constant"() {value = dense<6.000000e+00> : tensor<f32>}
// CHECK-NEXT: %[[V3:.*]] = "sem.elementwise"(%[[X]], %[[V1]], %[[V2]]) {kind = "clip"{{.*}} -> tensor<?xf32>
// CHECK-NEXT: %[[V4:.*]] = "sem.elementwise"(%[[V3]], %[[V0]]) {kind = "add"{{.*}} -> tensor<?xf32>
// CHECK-NEXT: %[[V5:.*]] = "sem.elementwise"(%[[V4]], %[[V1]], %[[V2]]) {kind = "clip"{{.*}} -> tensor<?xf32>
// CHECK-NEXT: return %[[V5]]
func.func @clips_that_stay(%x: tensor<?xf32>) -> tensor<?xf32> {
  %three = "sem.constant"() {value = dense<3.0> : tensor<f32>} : () -> tensor<f32>
  %zero = "sem.constant"() {value = dense<0.0> : tensor<f32>} : () -> tensor<f32>
  %six = "sem.constant"() {value = dense<6.0> : tensor<f32>} : () -> tensor<f32>
  %a = "sem.elementwise"(%x, %zero, %six) {kind = "clip", operandSegmentSizes = array<i32: 1, 1, 1>} : (tensor<?xf32>, tensor<f32>, tensor<f32>) -> tensor<?xf32>
  %b = "sem.elementwise"(%a, %three) {kind = "add", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?xf32>, tensor<f32>) -> tensor<?xf32>
  %y = "sem.elementwise"(%b, %zero, %six) {kind = "clip", operandSegmentSizes = array<i32: 1, 1, 1>} : (tensor<?xf32>, tensor<f32>, tensor<f32>) -> tensor<?xf32>
  return %y : tensor<?xf32>
}
