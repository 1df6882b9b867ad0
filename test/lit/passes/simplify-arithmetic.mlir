// RUN: noema opt %s --passes=simplify | FileCheck %s

// Arithmetic with numbers and signs, and its look-alikes.

// CHECK-LABEL: func.func @constant_second(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x8xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.param"() {parameter = "bias"}
// CHECK-NEXT: %[[V1:.*]] = "sem.elementwise"(%[[X]], %[[V0]]) {kind = "add"{{.*}} -> tensor<?x8xf32>
// CHECK-NEXT: return %[[V1]]
func.func @constant_second(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %b = "sem.param"() {parameter = "bias"} : () -> tensor<8xf32>
  %y = "sem.elementwise"(%b, %x) {kind = "add", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// CHECK-LABEL: func.func @constant_first_where_it_matters(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x8xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.constant"() {value = dense<1.000000e+00> : tensor<f32>}
// CHECK-NEXT: %[[V1:.*]] = "sem.elementwise"(%[[V0]], %[[X]]) {kind = "sub"{{.*}} -> tensor<?x8xf32>
// CHECK-NEXT: return %[[V1]]
func.func @constant_first_where_it_matters(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %one = "sem.constant"() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %y = "sem.elementwise"(%one, %x) {kind = "sub", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<f32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// CHECK-LABEL: func.func @divide_by_number(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x8xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.constant"() {value = dense<1.250000e-01> : tensor<1xf32>}
// CHECK-NEXT: %[[V1:.*]] = "sem.elementwise"(%[[X]], %[[V0]]) {kind = "mul"{{.*}} -> tensor<?x8xf32>
// CHECK-NEXT: return %[[V1]]
func.func @divide_by_number(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %c = "sem.constant"() {value = dense<8.0> : tensor<1xf32>} : () -> tensor<1xf32>
  %y = "sem.elementwise"(%x, %c) {kind = "div", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x8xf32>, tensor<1xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// 1/65504 is subnormal in f16, and integers have no reciprocals.
// CHECK-LABEL: func.func @divisions_that_stay(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?xf16>, %[[Z:[a-z0-9]+]]: tensor<?xi64>
// CHECK-NEXT: %[[V0:.*]] = "sem.constant"() {value = dense<6.550400e+04> : tensor<f16>}
// CHECK-NEXT: %[[V1:.*]] = "sem.constant"() {value = dense<8> : tensor<i64>}
// CHECK-NEXT: %[[V2:.*]] = "sem.elementwise"(%[[X]], %[[V0]]) {kind = "div"{{.*}} -> tensor<?xf16>
// CHECK-NEXT: %[[V3:.*]] = "sem.elementwise"(%[[Z]], %[[V1]]) {kind = "div"{{.*}} -> tensor<?xi64>
// CHECK-NEXT: return %[[V2]], %[[V3]]
func.func @divisions_that_stay(%x: tensor<?xf16>, %z: tensor<?xi64>) -> (tensor<?xf16>, tensor<?xi64>) {
  %c = "sem.constant"() {value = dense<65504.0> : tensor<f16>} : () -> tensor<f16>
  %d = "sem.constant"() {value = dense<8> : tensor<i64>} : () -> tensor<i64>
  %y = "sem.elementwise"(%x, %c) {kind = "div", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?xf16>, tensor<f16>) -> tensor<?xf16>
  %w = "sem.elementwise"(%z, %d) {kind = "div", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?xi64>, tensor<i64>) -> tensor<?xi64>
  return %y, %w : tensor<?xf16>, tensor<?xi64>
}

// CHECK-LABEL: func.func @divide_one(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.elementwise"(%[[X]]) {kind = "reciprocal"{{.*}} -> tensor<?xf32>
// CHECK-NEXT: return %[[V0]]
func.func @divide_one(%x: tensor<?xf32>) -> tensor<?xf32> {
  %one = "sem.constant"() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %y = "sem.elementwise"(%one, %x) {kind = "div", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<f32>, tensor<?xf32>) -> tensor<?xf32>
  return %y : tensor<?xf32>
}

// CHECK-LABEL: func.func @square(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.elementwise"(%[[X]], %[[X]]) {kind = "mul"{{.*}} -> tensor<?xf32>
// CHECK-NEXT: return %[[V0]]
func.func @square(%x: tensor<?xf32>) -> tensor<?xf32> {
  %two = "sem.constant"() {value = dense<2.0> : tensor<f32>} : () -> tensor<f32>
  %y = "sem.elementwise"(%x, %two) {kind = "pow", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?xf32>, tensor<f32>) -> tensor<?xf32>
  return %y : tensor<?xf32>
}

// CHECK-LABEL: func.func @inverse_root(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.elementwise"(%[[X]]) {kind = "sqrt"{{.*}} -> tensor<?xf32>
// CHECK-NEXT: %[[V1:.*]] = "sem.elementwise"(%[[V0]]) {kind = "reciprocal"{{.*}} -> tensor<?xf32>
// CHECK-NEXT: return %[[V1]]
func.func @inverse_root(%x: tensor<?xf32>) -> tensor<?xf32> {
  %c = "sem.constant"() {value = dense<-0.5> : tensor<f32>} : () -> tensor<f32>
  %y = "sem.elementwise"(%x, %c) {kind = "pow", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?xf32>, tensor<f32>) -> tensor<?xf32>
  return %y : tensor<?xf32>
}

// CHECK-LABEL: func.func @powers(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.elementwise"(%[[X]]) {kind = "sqrt"{{.*}} -> tensor<?xf32>
// CHECK-NEXT: %[[V1:.*]] = "sem.elementwise"(%[[V0]]) {kind = "reciprocal"{{.*}} -> tensor<?xf32>
// CHECK-NEXT: return %[[V1]]
func.func @powers(%x: tensor<?xf32>) -> tensor<?xf32> {
  %one = "sem.constant"() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %half = "sem.constant"() {value = dense<0.5> : tensor<f32>} : () -> tensor<f32>
  %minus = "sem.constant"() {value = dense<-1.0> : tensor<f32>} : () -> tensor<f32>
  %a = "sem.elementwise"(%x, %one) {kind = "pow", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?xf32>, tensor<f32>) -> tensor<?xf32>
  %b = "sem.elementwise"(%a, %half) {kind = "pow", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?xf32>, tensor<f32>) -> tensor<?xf32>
  %y = "sem.elementwise"(%b, %minus) {kind = "pow", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?xf32>, tensor<f32>) -> tensor<?xf32>
  return %y : tensor<?xf32>
}

// The cube stays one; a vector of exponents isn't one number, nor does it keep the shape.
// CHECK-LABEL: func.func @powers_that_stay(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x1xf32>, %[[E:[a-z0-9]+]]: tensor<2xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.constant"() {value = dense<3.000000e+00> : tensor<f32>}
// CHECK-NEXT: %[[V1:.*]] = "sem.constant"() {value = dense<2.000000e+00> : tensor<2xf32>}
// CHECK-NEXT: %[[V2:.*]] = "sem.constant"() {value = dense<[2.000000e+00, 3.000000e+00]> : tensor<2xf32>}
// CHECK-NEXT: %[[V3:.*]] = "sem.elementwise"(%[[X]], %[[V0]]) {kind = "pow"{{.*}} -> tensor<?x1xf32>
// CHECK-NEXT: %[[V4:.*]] = "sem.elementwise"(%[[V3]], %[[V1]]) {kind = "pow"{{.*}} -> tensor<?x2xf32>
// CHECK-NEXT: %[[V5:.*]] = "sem.elementwise"(%[[V4]], %[[V2]]) {kind = "pow"{{.*}} -> tensor<?x2xf32>
// CHECK-NEXT: return %[[V5]]
func.func @powers_that_stay(%x: tensor<?x1xf32>, %e: tensor<2xf32>) -> tensor<?x2xf32> {
  %three = "sem.constant"() {value = dense<3.0> : tensor<f32>} : () -> tensor<f32>
  %twos = "sem.constant"() {value = dense<2.0> : tensor<2xf32>} : () -> tensor<2xf32>
  %mixed = "sem.constant"() {value = dense<[2.0, 3.0]> : tensor<2xf32>} : () -> tensor<2xf32>
  %a = "sem.elementwise"(%x, %three) {kind = "pow", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x1xf32>, tensor<f32>) -> tensor<?x1xf32>
  %b = "sem.elementwise"(%a, %twos) {kind = "pow", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x1xf32>, tensor<2xf32>) -> tensor<?x2xf32>
  %y = "sem.elementwise"(%b, %mixed) {kind = "pow", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x2xf32>, tensor<2xf32>) -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}

// CHECK-LABEL: func.func @subtract_number(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.constant"() {value = dense<-3.000000e+00> : tensor<f32>}
// CHECK-NEXT: %[[V1:.*]] = "sem.elementwise"(%[[X]], %[[V0]]) {kind = "add"{{.*}} -> tensor<?xf32>
// CHECK-NEXT: return %[[V1]]
func.func @subtract_number(%x: tensor<?xf32>) -> tensor<?xf32> {
  %c = "sem.constant"() {value = dense<3.0> : tensor<f32>} : () -> tensor<f32>
  %y = "sem.elementwise"(%x, %c) {kind = "sub", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?xf32>, tensor<f32>) -> tensor<?xf32>
  return %y : tensor<?xf32>
}

// CHECK-LABEL: func.func @double_negative(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.activation"(%[[X]]) {alpha = 0.000000e+00 : f32, beta = 0.000000e+00 : f32, kind = "relu"{{.*}} -> tensor<?xf32>
// CHECK-NEXT: return %[[V0]]
func.func @double_negative(%x: tensor<?xf32>) -> tensor<?xf32> {
  %a = "sem.elementwise"(%x) {kind = "neg", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?xf32>) -> tensor<?xf32>
  %b = "sem.elementwise"(%a) {kind = "neg", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?xf32>) -> tensor<?xf32>
  %y = "sem.activation"(%b) {alpha = 0.0 : f32, beta = 0.0 : f32, kind = "relu"} : (tensor<?xf32>) -> tensor<?xf32>
  return %y : tensor<?xf32>
}

// CHECK-LABEL: func.func @subtract_negative(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?xf32>, %[[Z:[a-z0-9]+]]: tensor<?xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.elementwise"(%[[X]], %[[Z]]) {kind = "add"{{.*}} -> tensor<?xf32>
// CHECK-NEXT: return %[[V0]]
func.func @subtract_negative(%x: tensor<?xf32>, %z: tensor<?xf32>) -> tensor<?xf32> {
  %a = "sem.elementwise"(%z) {kind = "neg", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?xf32>) -> tensor<?xf32>
  %y = "sem.elementwise"(%x, %a) {kind = "sub", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>
  return %y : tensor<?xf32>
}

// CHECK-LABEL: func.func @add_negative(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?xf32>, %[[Z:[a-z0-9]+]]: tensor<?xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.elementwise"(%[[Z]], %[[X]]) {kind = "sub"{{.*}} -> tensor<?xf32>
// CHECK-NEXT: return %[[V0]]
func.func @add_negative(%x: tensor<?xf32>, %z: tensor<?xf32>) -> tensor<?xf32> {
  %a = "sem.elementwise"(%x) {kind = "neg", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?xf32>) -> tensor<?xf32>
  %y = "sem.elementwise"(%a, %z) {kind = "add", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>
  return %y : tensor<?xf32>
}

// CHECK-LABEL: func.func @negations(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.elementwise"(%[[X]]) {kind = "neg"{{.*}} -> tensor<?xf32>
// CHECK-NEXT: %[[V1:.*]] = "sem.activation"(%[[V0]]) {alpha = 0.000000e+00 : f32, beta = 0.000000e+00 : f32, kind = "relu"{{.*}} -> tensor<?xf32>
// CHECK-NEXT: %[[V2:.*]] = "sem.elementwise"(%[[V1]]) {kind = "neg"{{.*}} -> tensor<?xf32>
// CHECK-NEXT: return %[[V2]]
func.func @negations(%x: tensor<?xf32>) -> tensor<?xf32> {
  %zero = "sem.constant"() {value = dense<0.0> : tensor<f32>} : () -> tensor<f32>
  %minus = "sem.constant"() {value = dense<-1.0> : tensor<f32>} : () -> tensor<f32>
  %a = "sem.elementwise"(%zero, %x) {kind = "sub", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<f32>, tensor<?xf32>) -> tensor<?xf32>
  %b = "sem.activation"(%a) {alpha = 0.0 : f32, beta = 0.0 : f32, kind = "relu"} : (tensor<?xf32>) -> tensor<?xf32>
  %y = "sem.elementwise"(%b, %minus) {kind = "mul", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?xf32>, tensor<f32>) -> tensor<?xf32>
  return %y : tensor<?xf32>
}

// CHECK-LABEL: func.func @neutral(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?xf32>, %[[P:[a-z0-9]+]]: tensor<?xi1>
// CHECK-NEXT: return %[[X]], %[[P]]
func.func @neutral(%x: tensor<?xf32>, %p: tensor<?xi1>) -> (tensor<?xf32>, tensor<?xi1>) {
  %one = "sem.constant"() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %zero = "sem.constant"() {value = dense<0.0> : tensor<f32>} : () -> tensor<f32>
  %true = "sem.constant"() {value = dense<true> : tensor<i1>} : () -> tensor<i1>
  %false = "sem.constant"() {value = dense<false> : tensor<i1>} : () -> tensor<i1>
  %a = "sem.elementwise"(%x, %one) {kind = "mul", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?xf32>, tensor<f32>) -> tensor<?xf32>
  %y = "sem.elementwise"(%zero, %a) {kind = "add", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<f32>, tensor<?xf32>) -> tensor<?xf32>
  %b = "sem.elementwise"(%true, %p) {kind = "and", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<i1>, tensor<?xi1>) -> tensor<?xi1>
  %q = "sem.elementwise"(%b, %false) {kind = "or", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?xi1>, tensor<i1>) -> tensor<?xi1>
  return %y, %q : tensor<?xf32>, tensor<?xi1>
}

// Multiplying by many ones makes many of one.
// CHECK-LABEL: func.func @ones_that_broadcast(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<1xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.constant"() {value = dense<1.000000e+00> : tensor<4xf32>}
// CHECK-NEXT: %[[V1:.*]] = "sem.elementwise"(%[[X]], %[[V0]]) {kind = "mul"{{.*}} -> tensor<4xf32>
// CHECK-NEXT: return %[[V1]]
func.func @ones_that_broadcast(%x: tensor<1xf32>) -> tensor<4xf32> {
  %ones = "sem.constant"() {value = dense<1.0> : tensor<4xf32>} : () -> tensor<4xf32>
  %y = "sem.elementwise"(%x, %ones) {kind = "mul", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<1xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// CHECK-LABEL: func.func @negated_condition(
// CHECK-SAME: %[[C:[a-z0-9]+]]: tensor<?xi1>, %[[X:[a-z0-9]+]]: tensor<?xf32>, %[[Z:[a-z0-9]+]]: tensor<?xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.elementwise"(%[[C]], %[[Z]], %[[X]]) {kind = "where"{{.*}} -> tensor<?xf32>
// CHECK-NEXT: return %[[V0]]
func.func @negated_condition(%c: tensor<?xi1>, %x: tensor<?xf32>, %z: tensor<?xf32>) -> tensor<?xf32> {
  %n = "sem.elementwise"(%c) {kind = "not", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?xi1>) -> tensor<?xi1>
  %y = "sem.elementwise"(%n, %x, %z) {kind = "where", operandSegmentSizes = array<i32: 1, 1, 1>} : (tensor<?xi1>, tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>
  return %y : tensor<?xf32>
}

// CHECK-LABEL: func.func @known_condition(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?xf32>, %[[Z:[a-z0-9]+]]: tensor<?xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.activation"(%[[Z]]) {alpha = 0.000000e+00 : f32, beta = 0.000000e+00 : f32, kind = "relu"{{.*}} -> tensor<?xf32>
// CHECK-NEXT: return %[[V0]]
func.func @known_condition(%x: tensor<?xf32>, %z: tensor<?xf32>) -> tensor<?xf32> {
  %c = "sem.constant"() {value = dense<false> : tensor<i1>} : () -> tensor<i1>
  %a = "sem.elementwise"(%c, %x, %z) {kind = "where", operandSegmentSizes = array<i32: 1, 1, 1>} : (tensor<i1>, tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>
  %y = "sem.activation"(%a) {alpha = 0.0 : f32, beta = 0.0 : f32, kind = "relu"} : (tensor<?xf32>) -> tensor<?xf32>
  return %y : tensor<?xf32>
}

// CHECK-LABEL: func.func @clamp(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.constant"() {value = dense<-1.000000e+00> : tensor<f32>}
// CHECK-NEXT: %[[V1:.*]] = "sem.constant"() {value = dense<2.000000e+00> : tensor<f32>}
// CHECK-NEXT: %[[V2:.*]] = "sem.elementwise"(%[[X]], %[[V0]], %[[V1]]) {kind = "clip"{{.*}} -> tensor<?xf32>
// CHECK-NEXT: return %[[V2]]
func.func @clamp(%x: tensor<?xf32>) -> tensor<?xf32> {
  %low = "sem.constant"() {value = dense<-1.0> : tensor<f32>} : () -> tensor<f32>
  %high = "sem.constant"() {value = dense<2.0> : tensor<1xf32>} : () -> tensor<1xf32>
  %a = "sem.elementwise"(%low, %x) {kind = "max", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<f32>, tensor<?xf32>) -> tensor<?xf32>
  %y = "sem.elementwise"(%a, %high) {kind = "min", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?xf32>, tensor<1xf32>) -> tensor<?xf32>
  return %y : tensor<?xf32>
}

// CHECK-LABEL: func.func @clamp_from_above_first(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.constant"() {value = dense<-1.000000e+00> : tensor<f32>}
// CHECK-NEXT: %[[V1:.*]] = "sem.constant"() {value = dense<2.000000e+00> : tensor<f32>}
// CHECK-NEXT: %[[V2:.*]] = "sem.elementwise"(%[[X]], %[[V0]], %[[V1]]) {kind = "clip"{{.*}} -> tensor<?xf32>
// CHECK-NEXT: return %[[V2]]
func.func @clamp_from_above_first(%x: tensor<?xf32>) -> tensor<?xf32> {
  %low = "sem.constant"() {value = dense<-1.0> : tensor<f32>} : () -> tensor<f32>
  %high = "sem.constant"() {value = dense<2.0> : tensor<f32>} : () -> tensor<f32>
  %a = "sem.elementwise"(%x, %high) {kind = "min", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?xf32>, tensor<f32>) -> tensor<?xf32>
  %y = "sem.elementwise"(%a, %low) {kind = "max", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?xf32>, tensor<f32>) -> tensor<?xf32>
  return %y : tensor<?xf32>
}

// CHECK-LABEL: func.func @relu6(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.constant"() {value = dense<0.000000e+00> : tensor<f32>}
// CHECK-NEXT: %[[V1:.*]] = "sem.constant"() {value = dense<6.000000e+00> : tensor<f32>}
// CHECK-NEXT: %[[V2:.*]] = "sem.elementwise"(%[[X]], %[[V0]], %[[V1]]) {kind = "clip"{{.*}} -> tensor<?xf32>
// CHECK-NEXT: return %[[V2]]
func.func @relu6(%x: tensor<?xf32>) -> tensor<?xf32> {
  %six = "sem.constant"() {value = dense<6.0> : tensor<f32>} : () -> tensor<f32>
  %a = "sem.activation"(%x) {alpha = 0.0 : f32, beta = 0.0 : f32, kind = "relu"} : (tensor<?xf32>) -> tensor<?xf32>
  %y = "sem.elementwise"(%a, %six) {kind = "min", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?xf32>, tensor<f32>) -> tensor<?xf32>
  return %y : tensor<?xf32>
}

// Bounds that cross give the outer one everywhere.
// CHECK-LABEL: func.func @bounds_that_cross(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.constant"() {value = dense<2.000000e+00> : tensor<f32>}
// CHECK-NEXT: %[[V1:.*]] = "sem.constant"() {value = dense<-1.000000e+00> : tensor<f32>}
// CHECK-NEXT: %[[V2:.*]] = "sem.elementwise"(%[[X]], %[[V0]]) {kind = "max"{{.*}} -> tensor<?xf32>
// CHECK-NEXT: %[[V3:.*]] = "sem.elementwise"(%[[V2]], %[[V1]]) {kind = "min"{{.*}} -> tensor<?xf32>
// CHECK-NEXT: return %[[V3]]
func.func @bounds_that_cross(%x: tensor<?xf32>) -> tensor<?xf32> {
  %low = "sem.constant"() {value = dense<2.0> : tensor<f32>} : () -> tensor<f32>
  %high = "sem.constant"() {value = dense<-1.0> : tensor<f32>} : () -> tensor<f32>
  %a = "sem.elementwise"(%x, %low) {kind = "max", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?xf32>, tensor<f32>) -> tensor<?xf32>
  %y = "sem.elementwise"(%a, %high) {kind = "min", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?xf32>, tensor<f32>) -> tensor<?xf32>
  return %y : tensor<?xf32>
}
