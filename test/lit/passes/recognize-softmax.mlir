// RUN: noema opt %s --passes=recognize,dce | FileCheck %s

// Softmax spelled out, and its look-alikes.

#slots_1 = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
#slots_11 = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>

// CHECK-LABEL: func.func @softmax(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x8xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.softmax"(%[[X]]) {axis = 1 : i64, log = false{{.*}} -> tensor<?x8xf32>
// CHECK-NEXT: return %[[V0]]
func.func @softmax(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %last = "sem.constant"() {value = dense<-1> : tensor<1xi64>} : () -> tensor<1xi64>
  %m = "sem.onnx"(%x, %last) {
    op_type = "ReduceMax", domain = "", version = 21 : i64, attrs = {keepdims = 1 : i64},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<?x8xf32>, tensor<1xi64>) -> tensor<?x1xf32>
  %d = "sem.elementwise"(%x, %m) {kind = "sub", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x8xf32>, tensor<?x1xf32>) -> tensor<?x8xf32>
  %e = "sem.elementwise"(%d) {kind = "exp", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?x8xf32>) -> tensor<?x8xf32>
  %s = "sem.onnx"(%e, %last) {
    op_type = "ReduceSum", domain = "", version = 21 : i64, attrs = {keepdims = 1 : i64},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<?x8xf32>, tensor<1xi64>) -> tensor<?x1xf32>
  %y = "sem.elementwise"(%e, %s) {kind = "div", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x8xf32>, tensor<?x1xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// CHECK-LABEL: func.func @without_maximum(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x8xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.softmax"(%[[X]]) {axis = 1 : i64, log = false{{.*}} -> tensor<?x8xf32>
// CHECK-NEXT: return %[[V0]]
func.func @without_maximum(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %e = "sem.elementwise"(%x) {kind = "exp", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?x8xf32>) -> tensor<?x8xf32>
  %s = "sem.onnx"(%e) {
    op_type = "ReduceSum", domain = "", version = 11 : i64, attrs = {axes = array<i64: 1>},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<?x8xf32>) -> tensor<?x1xf32>
  %y = "sem.elementwise"(%e, %s) {kind = "div", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x8xf32>, tensor<?x1xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// The maximum is of another axis: subtracting it changes nothing, and stays.
// CHECK-LABEL: func.func @maximum_of_another_axis(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<4x8xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.constant"() {value = dense<0> : tensor<1xi64>}
// CHECK-NEXT: %[[V1:.*]] = "sem.onnx"(%[[X]], %[[V0]]) {attrs = {keepdims = 1 : i64}, domain = "", op_type = "ReduceMax"{{.*}} -> tensor<1x8xf32>
// CHECK-NEXT: %[[V2:.*]] = "sem.elementwise"(%[[X]], %[[V1]]) {kind = "sub"{{.*}} -> tensor<4x8xf32>
// CHECK-NEXT: %[[V3:.*]] = "sem.softmax"(%[[V2]]) {axis = 1 : i64, log = false{{.*}} -> tensor<4x8xf32>
// CHECK-NEXT: return %[[V3]]
func.func @maximum_of_another_axis(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %last = "sem.constant"() {value = dense<-1> : tensor<1xi64>} : () -> tensor<1xi64>
  %first = "sem.constant"() {value = dense<0> : tensor<1xi64>} : () -> tensor<1xi64>
  %m = "sem.onnx"(%x, %first) {
    op_type = "ReduceMax", domain = "", version = 21 : i64, attrs = {keepdims = 1 : i64},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<4x8xf32>, tensor<1xi64>) -> tensor<1x8xf32>
  %d = "sem.elementwise"(%x, %m) {kind = "sub", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<4x8xf32>, tensor<1x8xf32>) -> tensor<4x8xf32>
  %e = "sem.elementwise"(%d) {kind = "exp", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  %s = "sem.onnx"(%e, %last) {
    op_type = "ReduceSum", domain = "", version = 21 : i64, attrs = {keepdims = 1 : i64},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<4x8xf32>, tensor<1xi64>) -> tensor<4x1xf32>
  %y = "sem.elementwise"(%e, %s) {kind = "div", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<4x8xf32>, tensor<4x1xf32>) -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// CHECK-LABEL: func.func @log_softmax(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x8xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.softmax"(%[[X]]) {axis = 1 : i64, log = true{{.*}} -> tensor<?x8xf32>
// CHECK-NEXT: return %[[V0]]
func.func @log_softmax(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %a = "sem.softmax"(%x) {axis = 1 : i64, log = false} : (tensor<?x8xf32>) -> tensor<?x8xf32>
  %y = "sem.elementwise"(%a) {kind = "log", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?x8xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// Divided by the sum of something else, or over two axes.
// CHECK-LABEL: func.func @not_softmax(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<4x8xf32>, %[[Z:[a-z0-9]+]]: tensor<4x8xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.constant"() {value = dense<[0, 1]> : tensor<2xi64>}
// CHECK-NEXT: %[[V1:.*]] = "sem.constant"() {value = dense<1> : tensor<1xi64>}
// CHECK-NEXT: %[[V2:.*]] = "sem.elementwise"(%[[X]]) {kind = "exp"{{.*}} -> tensor<4x8xf32>
// CHECK-NEXT: %[[V3:.*]] = "sem.elementwise"(%[[Z]]) {kind = "exp"{{.*}} -> tensor<4x8xf32>
// CHECK-NEXT: %[[V4:.*]] = "sem.onnx"(%[[V3]], %[[V1]]) {attrs = {keepdims = 1 : i64}, domain = "", op_type = "ReduceSum"{{.*}} -> tensor<4x1xf32>
// CHECK-NEXT: %[[V5:.*]] = "sem.onnx"(%[[V2]], %[[V0]]) {attrs = {keepdims = 1 : i64}, domain = "", op_type = "ReduceSum"{{.*}} -> tensor<1x1xf32>
// CHECK-NEXT: %[[V6:.*]] = "sem.elementwise"(%[[V2]], %[[V4]]) {kind = "div"{{.*}} -> tensor<4x8xf32>
// CHECK-NEXT: %[[V7:.*]] = "sem.elementwise"(%[[V2]], %[[V5]]) {kind = "div"{{.*}} -> tensor<4x8xf32>
// CHECK-NEXT: return %[[V6]], %[[V7]]
func.func @not_softmax(%x: tensor<4x8xf32>, %z: tensor<4x8xf32>) -> (tensor<4x8xf32>, tensor<4x8xf32>) {
  %both = "sem.constant"() {value = dense<[0, 1]> : tensor<2xi64>} : () -> tensor<2xi64>
  %last = "sem.constant"() {value = dense<1> : tensor<1xi64>} : () -> tensor<1xi64>
  %e = "sem.elementwise"(%x) {kind = "exp", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  %f = "sem.elementwise"(%z) {kind = "exp", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  %s = "sem.onnx"(%f, %last) {
    op_type = "ReduceSum", domain = "", version = 21 : i64, attrs = {keepdims = 1 : i64},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<4x8xf32>, tensor<1xi64>) -> tensor<4x1xf32>
  %t = "sem.onnx"(%e, %both) {
    op_type = "ReduceSum", domain = "", version = 21 : i64, attrs = {keepdims = 1 : i64},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<4x8xf32>, tensor<2xi64>) -> tensor<1x1xf32>
  %y = "sem.elementwise"(%e, %s) {kind = "div", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<4x8xf32>, tensor<4x1xf32>) -> tensor<4x8xf32>
  %w = "sem.elementwise"(%e, %t) {kind = "div", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<4x8xf32>, tensor<1x1xf32>) -> tensor<4x8xf32>
  return %y, %w : tensor<4x8xf32>, tensor<4x8xf32>
}
