// RUN: noema opt %s --passes=recognize | FileCheck %s

// layer-norm, norm-scale, norm-bias
// CHECK-LABEL: func.func @layer_norm(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<2x?x8xf32>, %[[W:[a-z0-9]+]]: tensor<8xf32>, %[[B:[a-z0-9]+]]: tensor<8xf32>
// CHECK-NEXT: %[[N:.*]] = "sem.norm"(%[[X]], %[[W]], %[[B]]) {axis = 2 : i64, epsilon = 9.99999974E-6 : f32, groups = 1 : i64, kind = "layer"
// CHECK-NEXT: return %[[N]]
func.func @layer_norm(%x: tensor<2x?x8xf32>, %w: tensor<8xf32>, %b: tensor<8xf32>) -> tensor<2x?x8xf32> {
  %epsilon = "sem.constant"() {value = dense<1.0e-5> : tensor<f32>} : () -> tensor<f32>
  %m = "sem.onnx"(%x) {op_type = "ReduceMean", domain = "", version = 13 : i64, attrs = {axes = array<i64: -1>}, operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>} : (tensor<2x?x8xf32>) -> tensor<2x?x1xf32>
  %d = "sem.elementwise"(%x, %m) {kind = "sub", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<2x?x8xf32>, tensor<2x?x1xf32>) -> tensor<2x?x8xf32>
  %q = "sem.elementwise"(%d, %d) {kind = "mul", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<2x?x8xf32>, tensor<2x?x8xf32>) -> tensor<2x?x8xf32>
  %v = "sem.onnx"(%q) {op_type = "ReduceMean", domain = "", version = 13 : i64, attrs = {axes = array<i64: -1>}, operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>} : (tensor<2x?x8xf32>) -> tensor<2x?x1xf32>
  %e = "sem.elementwise"(%v, %epsilon) {kind = "add", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<2x?x1xf32>, tensor<f32>) -> tensor<2x?x1xf32>
  %s = "sem.elementwise"(%e) {kind = "sqrt", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<2x?x1xf32>) -> tensor<2x?x1xf32>
  %n = "sem.elementwise"(%d, %s) {kind = "div", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<2x?x8xf32>, tensor<2x?x1xf32>) -> tensor<2x?x8xf32>
  %t = "sem.elementwise"(%n, %w) {kind = "mul", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<2x?x8xf32>, tensor<8xf32>) -> tensor<2x?x8xf32>
  %y = "sem.elementwise"(%b, %t) {kind = "add", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<8xf32>, tensor<2x?x8xf32>) -> tensor<2x?x8xf32>
  return %y : tensor<2x?x8xf32>
}

// rms-norm, with a scale that has leading ones
// CHECK-LABEL: func.func @rms_norm(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<2x3x8xf32>, %[[W:[a-z0-9]+]]: tensor<1x1x8xf32>
// CHECK: %[[F:.*]] = "sem.onnx"(%[[W]], {{.*}}"Reshape"{{.*}} -> tensor<8xf32>
// CHECK-NEXT: %[[N:.*]] = "sem.norm"(%[[X]], %[[F]]) {axis = 2 : i64, {{.*}}kind = "rms"
// CHECK-NEXT: return %[[N]]
func.func @rms_norm(%x: tensor<2x3x8xf32>, %w: tensor<1x1x8xf32>) -> tensor<2x3x8xf32> {
  %epsilon = "sem.constant"() {value = dense<1.0e-6> : tensor<f32>} : () -> tensor<f32>
  %two = "sem.constant"() {value = dense<2.0> : tensor<f32>} : () -> tensor<f32>
  %q = "sem.elementwise"(%x, %two) {kind = "pow", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<2x3x8xf32>, tensor<f32>) -> tensor<2x3x8xf32>
  %v = "sem.onnx"(%q) {op_type = "ReduceMean", domain = "", version = 13 : i64, attrs = {axes = array<i64: 2>}, operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>} : (tensor<2x3x8xf32>) -> tensor<2x3x1xf32>
  %e = "sem.elementwise"(%epsilon, %v) {kind = "add", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<f32>, tensor<2x3x1xf32>) -> tensor<2x3x1xf32>
  %s = "sem.elementwise"(%e) {kind = "sqrt", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<2x3x1xf32>) -> tensor<2x3x1xf32>
  %r = "sem.elementwise"(%s) {kind = "reciprocal", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<2x3x1xf32>) -> tensor<2x3x1xf32>
  %n = "sem.elementwise"(%x, %r) {kind = "mul", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<2x3x8xf32>, tensor<2x3x1xf32>) -> tensor<2x3x8xf32>
  %y = "sem.elementwise"(%w, %n) {kind = "mul", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<1x1x8xf32>, tensor<2x3x8xf32>) -> tensor<2x3x8xf32>
  return %y : tensor<2x3x8xf32>
}

// shifted-layer-norm
// CHECK-LABEL: func.func @shifted_layer_norm(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<2x?x8xf32>, %[[W:[a-z0-9]+]]: tensor<8xf32>, %[[B:[a-z0-9]+]]: tensor<8xf32>
// CHECK-NEXT: %[[N:.*]] = "sem.norm"(%[[X]], %[[W]], %[[B]]) {axis = 2 : i64, epsilon = 1.000000e-03 : f32, groups = 1 : i64, kind = "layer"
// CHECK-NEXT: return %[[N]]
func.func @shifted_layer_norm(%x: tensor<2x?x8xf32>, %w: tensor<8xf32>, %b: tensor<8xf32>) -> tensor<2x?x8xf32> {
  %epsilon = "sem.constant"() {value = dense<1.0e-3> : tensor<f32>} : () -> tensor<f32>
  %m = "sem.onnx"(%x) {op_type = "ReduceMean", domain = "", version = 13 : i64, attrs = {axes = array<i64: -1>}, operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>} : (tensor<2x?x8xf32>) -> tensor<2x?x1xf32>
  %d = "sem.elementwise"(%x, %m) {kind = "sub", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<2x?x8xf32>, tensor<2x?x1xf32>) -> tensor<2x?x8xf32>
  %q = "sem.elementwise"(%d, %d) {kind = "mul", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<2x?x8xf32>, tensor<2x?x8xf32>) -> tensor<2x?x8xf32>
  %v = "sem.onnx"(%q) {op_type = "ReduceMean", domain = "", version = 13 : i64, attrs = {axes = array<i64: -1>}, operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>} : (tensor<2x?x8xf32>) -> tensor<2x?x1xf32>
  %e = "sem.elementwise"(%v, %epsilon) {kind = "add", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<2x?x1xf32>, tensor<f32>) -> tensor<2x?x1xf32>
  %s = "sem.elementwise"(%e) {kind = "sqrt", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<2x?x1xf32>) -> tensor<2x?x1xf32>
  %r = "sem.elementwise"(%s) {kind = "reciprocal", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<2x?x1xf32>) -> tensor<2x?x1xf32>
  %i = "sem.elementwise"(%r, %w) {kind = "mul", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<2x?x1xf32>, tensor<8xf32>) -> tensor<2x?x8xf32>
  %t = "sem.elementwise"(%x, %i) {kind = "mul", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<2x?x8xf32>, tensor<2x?x8xf32>) -> tensor<2x?x8xf32>
  %u = "sem.elementwise"(%m, %i) {kind = "mul", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<2x?x1xf32>, tensor<2x?x8xf32>) -> tensor<2x?x8xf32>
  %c = "sem.elementwise"(%b, %u) {kind = "sub", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<8xf32>, tensor<2x?x8xf32>) -> tensor<2x?x8xf32>
  %y = "sem.elementwise"(%t, %c) {kind = "add", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<2x?x8xf32>, tensor<2x?x8xf32>) -> tensor<2x?x8xf32>
  return %y : tensor<2x?x8xf32>
}

// mean-of-sum
// CHECK-LABEL: func.func @mean_of_sum(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<2x?x8xf32>
// CHECK-NEXT: %[[M:.*]] = "sem.onnx"(%[[X]]) {attrs = {axes = array<i64: 2>, keepdims = 1 : i64}, domain = "", op_type = "ReduceMean"
// CHECK-NEXT: return %[[M]]
func.func @mean_of_sum(%x: tensor<2x?x8xf32>) -> tensor<2x?x1xf32> {
  %last = "sem.constant"() {value = dense<-1> : tensor<1xi64>} : () -> tensor<1xi64>
  %eighth = "sem.constant"() {value = dense<0.125> : tensor<f32>} : () -> tensor<f32>
  %s = "sem.onnx"(%x, %last) {op_type = "ReduceSum", domain = "", version = 13 : i64, attrs = {}, operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>} : (tensor<2x?x8xf32>, tensor<1xi64>) -> tensor<2x?x1xf32>
  %y = "sem.elementwise"(%s, %eighth) {kind = "mul", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<2x?x1xf32>, tensor<f32>) -> tensor<2x?x1xf32>
  return %y : tensor<2x?x1xf32>
}

// Not a mean: over an extent that isn't known.
// CHECK-LABEL: func.func @sum_of_unknown(
// CHECK: "ReduceSum"
// CHECK-NOT: "ReduceMean"
func.func @sum_of_unknown(%x: tensor<2x?x8xf32>) -> tensor<2x1x8xf32> {
  %middle = "sem.constant"() {value = dense<1> : tensor<1xi64>} : () -> tensor<1xi64>
  %eighth = "sem.constant"() {value = dense<0.125> : tensor<f32>} : () -> tensor<f32>
  %s = "sem.onnx"(%x, %middle) {op_type = "ReduceSum", domain = "", version = 13 : i64, attrs = {}, operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>} : (tensor<2x?x8xf32>, tensor<1xi64>) -> tensor<2x1x8xf32>
  %y = "sem.elementwise"(%s, %eighth) {kind = "mul", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<2x1x8xf32>, tensor<f32>) -> tensor<2x1x8xf32>
  return %y : tensor<2x1x8xf32>
}
