// RUN: noema opt %s --passes=simplify | FileCheck %s

// Chains of reshapes and transposes, and what becomes of transposes before a matrix product.

#slots_1 = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
#slots_11 = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>

// CHECK-LABEL: func.func @merge_reshapes(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<2x8x6xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.constant"() {value = dense<[16, 6]> : tensor<2xi64>}
// CHECK-NEXT: %[[V1:.*]] = "sem.onnx"(%[[X]], %[[V0]]) {attrs = {}, domain = "", op_type = "Reshape"{{.*}} -> tensor<16x6xf32>
// CHECK-NEXT: return %[[V1]]
func.func @merge_reshapes(%x: tensor<2x8x6xf32>) -> tensor<16x6xf32> {
  %four = "sem.constant"() {value = dense<[2, 8, 2, 3]> : tensor<4xi64>} : () -> tensor<4xi64>
  %two = "sem.constant"() {value = dense<[16, 6]> : tensor<2xi64>} : () -> tensor<2xi64>
  %a = "sem.onnx"(%x, %four) {
    op_type = "Reshape", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<2x8x6xf32>, tensor<4xi64>) -> tensor<2x8x2x3xf32>
  %y = "sem.onnx"(%a, %two) {
    op_type = "Reshape", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<2x8x2x3xf32>, tensor<2xi64>) -> tensor<16x6xf32>
  return %y : tensor<16x6xf32>
}

// One extent may be dynamic.
// CHECK-LABEL: func.func @flatten_of_squeeze(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x8x1x1xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.constant"() {value = dense<[1, -1]> : tensor<2xi64>}
// CHECK-NEXT: %[[V1:.*]] = "sem.onnx"(%[[X]], %[[V0]]) {attrs = {}, domain = "", op_type = "Reshape"{{.*}} -> tensor<1x?xf32>
// CHECK-NEXT: return %[[V1]]
func.func @flatten_of_squeeze(%x: tensor<?x8x1x1xf32>) -> tensor<1x?xf32> {
  %axes = "sem.constant"() {value = dense<[2, 3]> : tensor<2xi64>} : () -> tensor<2xi64>
  %a = "sem.onnx"(%x, %axes) {
    op_type = "Squeeze", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<?x8x1x1xf32>, tensor<2xi64>) -> tensor<?x8xf32>
  %y = "sem.onnx"(%a) {
    op_type = "Flatten", domain = "", version = 21 : i64, attrs = {axis = 0 : i64},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<?x8xf32>) -> tensor<1x?xf32>
  return %y : tensor<1x?xf32>
}

// CHECK-LABEL: func.func @unsqueezes(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x?xi64>
// CHECK-NEXT: %[[V0:.*]] = "sem.constant"() {value = dense<[1, 2]> : tensor<2xi64>}
// CHECK-NEXT: %[[V1:.*]] = "sem.onnx"(%[[X]], %[[V0]]) {attrs = {}, domain = "", op_type = "Unsqueeze"{{.*}} -> tensor<?x1x1x?xi64>
// CHECK-NEXT: return %[[V1]]
func.func @unsqueezes(%x: tensor<?x?xi64>) -> tensor<?x1x1x?xi64> {
  %one = "sem.constant"() {value = dense<1> : tensor<1xi64>} : () -> tensor<1xi64>
  %two = "sem.constant"() {value = dense<2> : tensor<1xi64>} : () -> tensor<1xi64>
  %a = "sem.onnx"(%x, %one) {
    op_type = "Unsqueeze", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<?x?xi64>, tensor<1xi64>) -> tensor<?x1x?xi64>
  %y = "sem.onnx"(%a, %two) {
    op_type = "Unsqueeze", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<?x1x?xi64>, tensor<1xi64>) -> tensor<?x1x1x?xi64>
  return %y : tensor<?x1x1x?xi64>
}

// CHECK-LABEL: func.func @unsqueezes_in_another_order(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x?xi64>
// CHECK-NEXT: %[[V0:.*]] = "sem.constant"() {value = dense<[0, 3]> : tensor<2xi64>}
// CHECK-NEXT: %[[V1:.*]] = "sem.onnx"(%[[X]], %[[V0]]) {attrs = {}, domain = "", op_type = "Unsqueeze"{{.*}} -> tensor<1x?x?x1xi64>
// CHECK-NEXT: return %[[V1]]
func.func @unsqueezes_in_another_order(%x: tensor<?x?xi64>) -> tensor<1x?x?x1xi64> {
  %last = "sem.constant"() {value = dense<-1> : tensor<1xi64>} : () -> tensor<1xi64>
  %zero = "sem.constant"() {value = dense<0> : tensor<1xi64>} : () -> tensor<1xi64>
  %a = "sem.onnx"(%x, %last) {
    op_type = "Unsqueeze", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<?x?xi64>, tensor<1xi64>) -> tensor<?x?x1xi64>
  %y = "sem.onnx"(%a, %zero) {
    op_type = "Unsqueeze", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<?x?x1xi64>, tensor<1xi64>) -> tensor<1x?x?x1xi64>
  return %y : tensor<1x?x?x1xi64>
}

// CHECK-LABEL: func.func @squeeze_undoes_unsqueeze(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x?xf32>
// CHECK-NEXT: return %[[X]]
func.func @squeeze_undoes_unsqueeze(%x: tensor<?x?xf32>) -> tensor<?x?xf32> {
  %one = "sem.constant"() {value = dense<1> : tensor<1xi64>} : () -> tensor<1xi64>
  %a = "sem.onnx"(%x, %one) {
    op_type = "Unsqueeze", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<?x?xf32>, tensor<1xi64>) -> tensor<?x1x?xf32>
  %y = "sem.onnx"(%a, %one) {
    op_type = "Squeeze", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<?x1x?xf32>, tensor<1xi64>) -> tensor<?x?xf32>
  return %y : tensor<?x?xf32>
}

// The second one copies the first extent, and so did the first.
// CHECK-LABEL: func.func @reshape_copies_twice(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x?x8xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.constant"() {value = dense<[0, -1, 4]> : tensor<3xi64>}
// CHECK-NEXT: %[[V1:.*]] = "sem.onnx"(%[[X]], %[[V0]]) {attrs = {}, domain = "", op_type = "Reshape"{{.*}} -> tensor<?x?x4xf32>
// CHECK-NEXT: return %[[V1]]
func.func @reshape_copies_twice(%x: tensor<?x?x8xf32>) -> tensor<?x?x4xf32> {
  %four = "sem.constant"() {value = dense<[0, -1, 2, 4]> : tensor<4xi64>} : () -> tensor<4xi64>
  %three = "sem.constant"() {value = dense<[0, -1, 4]> : tensor<3xi64>} : () -> tensor<3xi64>
  %a = "sem.onnx"(%x, %four) {
    op_type = "Reshape", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<?x?x8xf32>, tensor<4xi64>) -> tensor<?x?x2x4xf32>
  %y = "sem.onnx"(%a, %three) {
    op_type = "Reshape", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<?x?x2x4xf32>, tensor<3xi64>) -> tensor<?x?x4xf32>
  return %y : tensor<?x?x4xf32>
}

// The extent that is copied isn't one of x.
// CHECK-LABEL: func.func @reshape_copies_a_new_extent(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x?x8xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.constant"() {value = dense<[-1, 2, 4]> : tensor<3xi64>}
// CHECK-NEXT: %[[V1:.*]] = "sem.constant"() {value = dense<[0, -1]> : tensor<2xi64>}
// CHECK-NEXT: %[[V2:.*]] = "sem.onnx"(%[[X]], %[[V0]]) {attrs = {}, domain = "", op_type = "Reshape"{{.*}} -> tensor<?x2x4xf32>
// CHECK-NEXT: %[[V3:.*]] = "sem.onnx"(%[[V2]], %[[V1]]) {attrs = {}, domain = "", op_type = "Reshape"{{.*}} -> tensor<?x?xf32>
// CHECK-NEXT: return %[[V3]]
func.func @reshape_copies_a_new_extent(%x: tensor<?x?x8xf32>) -> tensor<?x?xf32> {
  %four = "sem.constant"() {value = dense<[-1, 2, 4]> : tensor<3xi64>} : () -> tensor<3xi64>
  %three = "sem.constant"() {value = dense<[0, -1]> : tensor<2xi64>} : () -> tensor<2xi64>
  %a = "sem.onnx"(%x, %four) {
    op_type = "Reshape", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<?x?x8xf32>, tensor<3xi64>) -> tensor<?x2x4xf32>
  %y = "sem.onnx"(%a, %three) {
    op_type = "Reshape", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<?x2x4xf32>, tensor<2xi64>) -> tensor<?x?xf32>
  return %y : tensor<?x?xf32>
}

// CHECK-LABEL: func.func @merge_transposes(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<2x3x4xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.onnx"(%[[X]]) {attrs = {perm = array<i64: 2, 0, 1>}, domain = "", op_type = "Transpose"{{.*}} -> tensor<4x2x3xf32>
// CHECK-NEXT: return %[[V0]]
func.func @merge_transposes(%x: tensor<2x3x4xf32>) -> tensor<4x2x3xf32> {
  %a = "sem.onnx"(%x) {
    op_type = "Transpose", domain = "", version = 21 : i64, attrs = {perm = array<i64: 0, 2, 1>},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<2x3x4xf32>) -> tensor<2x4x3xf32>
  %y = "sem.onnx"(%a) {
    op_type = "Transpose", domain = "", version = 21 : i64, attrs = {perm = array<i64: 1, 0, 2>},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<2x4x3xf32>) -> tensor<4x2x3xf32>
  return %y : tensor<4x2x3xf32>
}

// CHECK-LABEL: func.func @transposes_cancel(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<2x3x4xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.activation"(%[[X]]) {alpha = 0.000000e+00 : f32, beta = 0.000000e+00 : f32, kind = "relu"{{.*}} -> tensor<2x3x4xf32>
// CHECK-NEXT: return %[[V0]]
func.func @transposes_cancel(%x: tensor<2x3x4xf32>) -> tensor<2x3x4xf32> {
  %a = "sem.onnx"(%x) {
    op_type = "Transpose", domain = "", version = 21 : i64, attrs = {perm = array<i64: 1, 2, 0>},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<2x3x4xf32>) -> tensor<3x4x2xf32>
  %b = "sem.onnx"(%a) {
    op_type = "Transpose", domain = "", version = 21 : i64, attrs = {perm = array<i64: 2, 0, 1>},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<3x4x2xf32>) -> tensor<2x3x4xf32>
  %y = "sem.activation"(%b) {alpha = 0.0 : f32, beta = 0.0 : f32, kind = "relu"} : (tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  return %y : tensor<2x3x4xf32>
}

// CHECK-LABEL: func.func @transposed_keys(
// CHECK-SAME: %[[Q:[a-z0-9]+]]: tensor<?x2x8x4xf32>, %[[K:[a-z0-9]+]]: tensor<?x8x2x4xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.onnx"(%[[K]]) {attrs = {perm = array<i64: 0, 2, 1, 3>}, domain = "", op_type = "Transpose"{{.*}} -> tensor<?x2x8x4xf32>
// CHECK-NEXT: %[[V1:.*]] = "sem.matmul"(%[[Q]], %[[V0]]) {transpose_lhs = false, transpose_rhs = true{{.*}} -> tensor<?x2x8x8xf32>
// CHECK-NEXT: return %[[V1]]
func.func @transposed_keys(%q: tensor<?x2x8x4xf32>, %k: tensor<?x8x2x4xf32>) -> tensor<?x2x8x8xf32> {
  %a = "sem.onnx"(%k) {
    op_type = "Transpose", domain = "", version = 21 : i64, attrs = {perm = array<i64: 0, 2, 3, 1>},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<?x8x2x4xf32>) -> tensor<?x2x4x8xf32>
  %y = "sem.matmul"(%q, %a) {transpose_lhs = false, transpose_rhs = false} : (tensor<?x2x8x4xf32>, tensor<?x2x4x8xf32>) -> tensor<?x2x8x8xf32>
  return %y : tensor<?x2x8x8xf32>
}

// CHECK-LABEL: func.func @both_sides(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<8x2xf32>, %[[Z:[a-z0-9]+]]: tensor<4x8xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.matmul"(%[[X]], %[[Z]]) {transpose_lhs = true, transpose_rhs = true{{.*}} -> tensor<2x4xf32>
// CHECK-NEXT: return %[[V0]]
func.func @both_sides(%x: tensor<8x2xf32>, %z: tensor<4x8xf32>) -> tensor<2x4xf32> {
  %a = "sem.onnx"(%x) {
    op_type = "Transpose", domain = "", version = 21 : i64, attrs = {perm = array<i64: 1, 0>},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<8x2xf32>) -> tensor<2x8xf32>
  %b = "sem.onnx"(%z) {
    op_type = "Transpose", domain = "", version = 21 : i64, attrs = {perm = array<i64: 1, 0>},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<4x8xf32>) -> tensor<8x4xf32>
  %y = "sem.matmul"(%a, %b) {transpose_lhs = false, transpose_rhs = false} : (tensor<2x8xf32>, tensor<8x4xf32>) -> tensor<2x4xf32>
  return %y : tensor<2x4xf32>
}

// A flag that was set is cleared.
// CHECK-LABEL: func.func @twice_transposed(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<2x8xf32>, %[[Z:[a-z0-9]+]]: tensor<8x4xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.matmul"(%[[X]], %[[Z]]) {transpose_lhs = false, transpose_rhs = false{{.*}} -> tensor<2x4xf32>
// CHECK-NEXT: return %[[V0]]
func.func @twice_transposed(%x: tensor<2x8xf32>, %z: tensor<8x4xf32>) -> tensor<2x4xf32> {
  %b = "sem.onnx"(%z) {
    op_type = "Transpose", domain = "", version = 21 : i64, attrs = {perm = array<i64: 1, 0>},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<8x4xf32>) -> tensor<4x8xf32>
  %y = "sem.matmul"(%x, %b) {transpose_lhs = false, transpose_rhs = true} : (tensor<2x8xf32>, tensor<4x8xf32>) -> tensor<2x4xf32>
  return %y : tensor<2x4xf32>
}

// The order of the matrix dimensions stays: only the batch is transposed.
// CHECK-LABEL: func.func @transposed_batch(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<3x2x5x4xf32>, %[[Z:[a-z0-9]+]]: tensor<2x3x4x6xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.onnx"(%[[Z]]) {attrs = {perm = array<i64: 1, 0, 2, 3>}, domain = "", op_type = "Transpose"{{.*}} -> tensor<3x2x4x6xf32>
// CHECK-NEXT: %[[V1:.*]] = "sem.matmul"(%[[X]], %[[V0]]) {transpose_lhs = false, transpose_rhs = false{{.*}} -> tensor<3x2x5x6xf32>
// CHECK-NEXT: return %[[V1]]
func.func @transposed_batch(%x: tensor<3x2x5x4xf32>, %z: tensor<2x3x4x6xf32>) -> tensor<3x2x5x6xf32> {
  %a = "sem.onnx"(%z) {
    op_type = "Transpose", domain = "", version = 21 : i64, attrs = {perm = array<i64: 1, 0, 2, 3>},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<2x3x4x6xf32>) -> tensor<3x2x4x6xf32>
  %y = "sem.matmul"(%x, %a) {transpose_lhs = false, transpose_rhs = false} : (tensor<3x2x5x4xf32>, tensor<3x2x4x6xf32>) -> tensor<3x2x5x6xf32>
  return %y : tensor<3x2x5x6xf32>
}

// The keys are also the cache: they stay as the model gives them.
// CHECK-LABEL: func.func @keys_with_another_user(
// CHECK-SAME: %[[Q:[a-z0-9]+]]: tensor<1x2x8x4xf32>, %[[K:[a-z0-9]+]]: tensor<1x8x2x4xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.onnx"(%[[K]]) {attrs = {perm = array<i64: 0, 2, 3, 1>}, domain = "", op_type = "Transpose"{{.*}} -> tensor<1x2x4x8xf32>
// CHECK-NEXT: %[[V1:.*]] = "sem.matmul"(%[[Q]], %[[V0]]) {transpose_lhs = false, transpose_rhs = false{{.*}} -> tensor<1x2x8x8xf32>
// CHECK-NEXT: return %[[V1]], %[[V0]]
func.func @keys_with_another_user(%q: tensor<1x2x8x4xf32>, %k: tensor<1x8x2x4xf32>) -> (tensor<1x2x8x8xf32>, tensor<1x2x4x8xf32>) {
  %a = "sem.onnx"(%k) {
    op_type = "Transpose", domain = "", version = 21 : i64, attrs = {perm = array<i64: 0, 2, 3, 1>},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<1x8x2x4xf32>) -> tensor<1x2x4x8xf32>
  %y = "sem.matmul"(%q, %a) {transpose_lhs = false, transpose_rhs = false} : (tensor<1x2x8x4xf32>, tensor<1x2x4x8xf32>) -> tensor<1x2x8x8xf32>
  return %y, %a : tensor<1x2x8x8xf32>, tensor<1x2x4x8xf32>
}

// CHECK-LABEL: func.func @keep_reduced(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<2x?x8xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.onnx"(%[[X]]) {attrs = {axes = array<i64: -1>, keepdims = 1 : i64}, domain = "", op_type = "ReduceMax"{{.*}} -> tensor<2x?x1xf32>
// CHECK-NEXT: return %[[V0]]
func.func @keep_reduced(%x: tensor<2x?x8xf32>) -> tensor<2x?x1xf32> {
  %last = "sem.constant"() {value = dense<2> : tensor<1xi64>} : () -> tensor<1xi64>
  %a = "sem.onnx"(%x) {
    op_type = "ReduceMax", domain = "", version = 13 : i64,
    attrs = {axes = array<i64: -1>, keepdims = 0 : i64},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<2x?x8xf32>) -> tensor<2x?xf32>
  %y = "sem.onnx"(%a, %last) {
    op_type = "Unsqueeze", domain = "", version = 13 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<2x?xf32>, tensor<1xi64>) -> tensor<2x?x1xf32>
  return %y : tensor<2x?x1xf32>
}

// The axis comes back in another place.
// CHECK-LABEL: func.func @reduced_elsewhere(
// CHECK: "ReduceMax"{{.*}} -> tensor<2x?xf32>
// CHECK: "Unsqueeze"
func.func @reduced_elsewhere(%x: tensor<2x?x8xf32>) -> tensor<2x1x?xf32> {
  %middle = "sem.constant"() {value = dense<1> : tensor<1xi64>} : () -> tensor<1xi64>
  %a = "sem.onnx"(%x) {
    op_type = "ReduceMax", domain = "", version = 13 : i64,
    attrs = {axes = array<i64: -1>, keepdims = 0 : i64},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<2x?x8xf32>) -> tensor<2x?xf32>
  %y = "sem.onnx"(%a, %middle) {
    op_type = "Unsqueeze", domain = "", version = 13 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<2x?xf32>, tensor<1xi64>) -> tensor<2x1x?xf32>
  return %y : tensor<2x1x?xf32>
}
