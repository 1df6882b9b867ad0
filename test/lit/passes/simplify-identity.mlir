// RUN: noema opt %s --passes=simplify | FileCheck %s

// Ops that give back their operand as it is, and their look-alikes.

#slots_1 = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
#slots_11 = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
#slots_1111 = array<i32: 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
#slots_11111 = array<i32: 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>

// CHECK-LABEL: func.func @drop_cast(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.activation"(%[[X]]) {alpha = 0.000000e+00 : f32, beta = 0.000000e+00 : f32, kind = "relu"{{.*}} -> tensor<?xf32>
// CHECK-NEXT: return %[[V0]]
func.func @drop_cast(%x: tensor<?xf32>) -> tensor<?xf32> {
  %a = "sem.elementwise"(%x) {kind = "cast", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?xf32>) -> tensor<?xf32>
  %y = "sem.activation"(%a) {alpha = 0.0 : f32, beta = 0.0 : f32, kind = "relu"} : (tensor<?xf32>) -> tensor<?xf32>
  return %y : tensor<?xf32>
}

// Nothing is lost from f16 to f32 and on.
// CHECK-LABEL: func.func @merge_casts(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?xf16>
// CHECK-NEXT: %[[V0:.*]] = "sem.elementwise"(%[[X]]) {kind = "cast"{{.*}} -> tensor<?xi64>
// CHECK-NEXT: return %[[V0]]
func.func @merge_casts(%x: tensor<?xf16>) -> tensor<?xi64> {
  %a = "sem.elementwise"(%x) {kind = "cast", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?xf16>) -> tensor<?xf32>
  %y = "sem.elementwise"(%a) {kind = "cast", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?xf32>) -> tensor<?xi64>
  return %y : tensor<?xi64>
}

// CHECK-LABEL: func.func @casts_there_and_back(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?xi32>
// CHECK-NEXT: return %[[X]]
func.func @casts_there_and_back(%x: tensor<?xi32>) -> tensor<?xi32> {
  %a = "sem.elementwise"(%x) {kind = "cast", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?xi32>) -> tensor<?xf64>
  %y = "sem.elementwise"(%a) {kind = "cast", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?xf64>) -> tensor<?xi32>
  return %y : tensor<?xi32>
}

// An f32 doesn't hold every i64, nor an f16 every f32.
// CHECK-LABEL: func.func @casts_that_round(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?xi64>, %[[Z:[a-z0-9]+]]: tensor<?xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.elementwise"(%[[X]]) {kind = "cast"{{.*}} -> tensor<?xf32>
// CHECK-NEXT: %[[V1:.*]] = "sem.elementwise"(%[[V0]]) {kind = "cast"{{.*}} -> tensor<?xi64>
// CHECK-NEXT: %[[V2:.*]] = "sem.elementwise"(%[[Z]]) {kind = "cast"{{.*}} -> tensor<?xf16>
// CHECK-NEXT: %[[V3:.*]] = "sem.elementwise"(%[[V2]]) {kind = "cast"{{.*}} -> tensor<?xf32>
// CHECK-NEXT: return %[[V1]], %[[V3]]
func.func @casts_that_round(%x: tensor<?xi64>, %z: tensor<?xf32>) -> (tensor<?xi64>, tensor<?xf32>) {
  %a = "sem.elementwise"(%x) {kind = "cast", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?xi64>) -> tensor<?xf32>
  %b = "sem.elementwise"(%a) {kind = "cast", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?xf32>) -> tensor<?xi64>
  %c = "sem.elementwise"(%z) {kind = "cast", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?xf32>) -> tensor<?xf16>
  %d = "sem.elementwise"(%c) {kind = "cast", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?xf16>) -> tensor<?xf32>
  return %b, %d : tensor<?xi64>, tensor<?xf32>
}

// CHECK-LABEL: func.func @drop_reshape(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x8xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.activation"(%[[X]]) {alpha = 0.000000e+00 : f32, beta = 0.000000e+00 : f32, kind = "relu"{{.*}} -> tensor<?x8xf32>
// CHECK-NEXT: return %[[V0]]
func.func @drop_reshape(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %s = "sem.constant"() {value = dense<[-1, 8]> : tensor<2xi64>} : () -> tensor<2xi64>
  %a = "sem.onnx"(%x, %s) {
    op_type = "Reshape", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<?x8xf32>, tensor<2xi64>) -> tensor<?x8xf32>
  %y = "sem.activation"(%a) {alpha = 0.0 : f32, beta = 0.0 : f32, kind = "relu"} : (tensor<?x8xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// CHECK-LABEL: func.func @drop_reshape_that_copies(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x?x8xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.activation"(%[[X]]) {alpha = 0.000000e+00 : f32, beta = 0.000000e+00 : f32, kind = "relu"{{.*}} -> tensor<?x?x8xf32>
// CHECK-NEXT: return %[[V0]]
func.func @drop_reshape_that_copies(%x: tensor<?x?x8xf32>) -> tensor<?x?x8xf32> {
  %s = "sem.constant"() {value = dense<[0, -1, 8]> : tensor<3xi64>} : () -> tensor<3xi64>
  %a = "sem.onnx"(%x, %s) {
    op_type = "Reshape", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<?x?x8xf32>, tensor<3xi64>) -> tensor<?x?x8xf32>
  %y = "sem.activation"(%a) {alpha = 0.0 : f32, beta = 0.0 : f32, kind = "relu"} : (tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  return %y : tensor<?x?x8xf32>
}

// CHECK-LABEL: func.func @drop_reshape_to_its_shape(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x?xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.activation"(%[[X]]) {alpha = 0.000000e+00 : f32, beta = 0.000000e+00 : f32, kind = "relu"{{.*}} -> tensor<?x?xf32>
// CHECK-NEXT: return %[[V0]]
func.func @drop_reshape_to_its_shape(%x: tensor<?x?xf32>) -> tensor<?x?xf32> {
  %s = "sem.onnx"(%x) {
    op_type = "Shape", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<?x?xf32>) -> tensor<2xi64>
  %a = "sem.onnx"(%x, %s) {
    op_type = "Reshape", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<?x?xf32>, tensor<2xi64>) -> tensor<?x?xf32>
  %y = "sem.activation"(%a) {alpha = 0.0 : f32, beta = 0.0 : f32, kind = "relu"} : (tensor<?x?xf32>) -> tensor<?x?xf32>
  return %y : tensor<?x?xf32>
}

// The extents may have changed places.
// CHECK-LABEL: func.func @reshape_of_unknown_shape(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x?xf32>, %[[S:[a-z0-9]+]]: tensor<2xi64>
// CHECK-NEXT: %[[V0:.*]] = "sem.onnx"(%[[X]], %[[S]]) {attrs = {}, domain = "", op_type = "Reshape"{{.*}} -> tensor<?x?xf32>
// CHECK-NEXT: %[[V1:.*]] = "sem.activation"(%[[V0]]) {alpha = 0.000000e+00 : f32, beta = 0.000000e+00 : f32, kind = "relu"{{.*}} -> tensor<?x?xf32>
// CHECK-NEXT: return %[[V1]]
func.func @reshape_of_unknown_shape(%x: tensor<?x?xf32>, %s: tensor<2xi64>) -> tensor<?x?xf32> {
  %a = "sem.onnx"(%x, %s) {
    op_type = "Reshape", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<?x?xf32>, tensor<2xi64>) -> tensor<?x?xf32>
  %y = "sem.activation"(%a) {alpha = 0.0 : f32, beta = 0.0 : f32, kind = "relu"} : (tensor<?x?xf32>) -> tensor<?x?xf32>
  return %y : tensor<?x?xf32>
}

// Of no elements, the other extent may be anything.
// CHECK-LABEL: func.func @reshape_of_nothing(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<0x?xf32>, %[[S:[a-z0-9]+]]: tensor<2xi64>
// CHECK-NEXT: %[[V0:.*]] = "sem.onnx"(%[[X]], %[[S]]) {attrs = {}, domain = "", op_type = "Reshape"{{.*}} -> tensor<0x?xf32>
// CHECK-NEXT: return %[[V0]]
func.func @reshape_of_nothing(%x: tensor<0x?xf32>, %s: tensor<2xi64>) -> tensor<0x?xf32> {
  %a = "sem.onnx"(%x, %s) {
    op_type = "Reshape", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<0x?xf32>, tensor<2xi64>) -> tensor<0x?xf32>
  return %a : tensor<0x?xf32>
}

// CHECK-LABEL: func.func @drop_transpose(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x8xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.activation"(%[[X]]) {alpha = 0.000000e+00 : f32, beta = 0.000000e+00 : f32, kind = "relu"{{.*}} -> tensor<?x8xf32>
// CHECK-NEXT: return %[[V0]]
func.func @drop_transpose(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %a = "sem.onnx"(%x) {
    op_type = "Transpose", domain = "", version = 21 : i64, attrs = {perm = array<i64: 0, 1>},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<?x8xf32>) -> tensor<?x8xf32>
  %y = "sem.activation"(%a) {alpha = 0.0 : f32, beta = 0.0 : f32, kind = "relu"} : (tensor<?x8xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// CHECK-LABEL: func.func @transpose_of_a_square(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<8x8xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.onnx"(%[[X]]) {attrs = {}, domain = "", op_type = "Transpose"{{.*}} -> tensor<8x8xf32>
// CHECK-NEXT: return %[[V0]]
func.func @transpose_of_a_square(%x: tensor<8x8xf32>) -> tensor<8x8xf32> {
  %a = "sem.onnx"(%x) {
    op_type = "Transpose", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<8x8xf32>) -> tensor<8x8xf32>
  return %a : tensor<8x8xf32>
}

// CHECK-LABEL: func.func @drop_expand(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<2x8xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.activation"(%[[X]]) {alpha = 0.000000e+00 : f32, beta = 0.000000e+00 : f32, kind = "relu"{{.*}} -> tensor<2x8xf32>
// CHECK-NEXT: return %[[V0]]
func.func @drop_expand(%x: tensor<2x8xf32>) -> tensor<2x8xf32> {
  %s = "sem.constant"() {value = dense<[1, 8]> : tensor<2xi64>} : () -> tensor<2xi64>
  %a = "sem.onnx"(%x, %s) {
    op_type = "Expand", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<2x8xf32>, tensor<2xi64>) -> tensor<2x8xf32>
  %y = "sem.activation"(%a) {alpha = 0.0 : f32, beta = 0.0 : f32, kind = "relu"} : (tensor<2x8xf32>) -> tensor<2x8xf32>
  return %y : tensor<2x8xf32>
}

// CHECK-LABEL: func.func @drop_expand_of_unknown_extent(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x8xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.activation"(%[[X]]) {alpha = 0.000000e+00 : f32, beta = 0.000000e+00 : f32, kind = "relu"{{.*}} -> tensor<?x8xf32>
// CHECK-NEXT: return %[[V0]]
func.func @drop_expand_of_unknown_extent(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %s = "sem.constant"() {value = dense<[8]> : tensor<1xi64>} : () -> tensor<1xi64>
  %a = "sem.onnx"(%x, %s) {
    op_type = "Expand", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<?x8xf32>, tensor<1xi64>) -> tensor<?x8xf32>
  %y = "sem.activation"(%a) {alpha = 0.0 : f32, beta = 0.0 : f32, kind = "relu"} : (tensor<?x8xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// The unknown extent may be 1, and grow.
// CHECK-LABEL: func.func @expand(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x8xf32>, %[[S:[a-z0-9]+]]: tensor<2xi64>
// CHECK-NEXT: %[[V0:.*]] = "sem.onnx"(%[[X]], %[[S]]) {attrs = {}, domain = "", op_type = "Expand"{{.*}} -> tensor<?x8xf32>
// CHECK-NEXT: return %[[V0]]
func.func @expand(%x: tensor<?x8xf32>, %s: tensor<2xi64>) -> tensor<?x8xf32> {
  %a = "sem.onnx"(%x, %s) {
    op_type = "Expand", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<?x8xf32>, tensor<2xi64>) -> tensor<?x8xf32>
  return %a : tensor<?x8xf32>
}

// CHECK-LABEL: func.func @drop_slice(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x8xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.activation"(%[[X]]) {alpha = 0.000000e+00 : f32, beta = 0.000000e+00 : f32, kind = "relu"{{.*}} -> tensor<?x8xf32>
// CHECK-NEXT: return %[[V0]]
func.func @drop_slice(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %lo = "sem.constant"() {value = dense<0> : tensor<1xi64>} : () -> tensor<1xi64>
  %hi = "sem.constant"() {value = dense<9223372036854775807> : tensor<1xi64>} : () -> tensor<1xi64>
  %ax = "sem.constant"() {value = dense<0> : tensor<1xi64>} : () -> tensor<1xi64>
  %a = "sem.onnx"(%x, %lo, %hi, %ax) {
    op_type = "Slice", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_1111, resultSegmentSizes = #slots_1
  } : (tensor<?x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x8xf32>
  %y = "sem.activation"(%a) {alpha = 0.0 : f32, beta = 0.0 : f32, kind = "relu"} : (tensor<?x8xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// CHECK-LABEL: func.func @slice_of_unknown_extent(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x8xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.constant"() {value = dense<1> : tensor<1xi64>}
// CHECK-NEXT: %[[V1:.*]] = "sem.constant"() {value = dense<9223372036854775807> : tensor<1xi64>}
// CHECK-NEXT: %[[V2:.*]] = "sem.constant"() {value = dense<0> : tensor<1xi64>}
// CHECK-NEXT: %[[V3:.*]] = "sem.onnx"(%[[X]], %[[V0]], %[[V1]], %[[V2]]) {attrs = {}, domain = "", op_type = "Slice"{{.*}} -> tensor<?x8xf32>
// CHECK-NEXT: return %[[V3]]
func.func @slice_of_unknown_extent(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %lo = "sem.constant"() {value = dense<1> : tensor<1xi64>} : () -> tensor<1xi64>
  %hi = "sem.constant"() {value = dense<9223372036854775807> : tensor<1xi64>} : () -> tensor<1xi64>
  %ax = "sem.constant"() {value = dense<0> : tensor<1xi64>} : () -> tensor<1xi64>
  %a = "sem.onnx"(%x, %lo, %hi, %ax) {
    op_type = "Slice", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_1111, resultSegmentSizes = #slots_1
  } : (tensor<?x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x8xf32>
  return %a : tensor<?x8xf32>
}

// Keeps all rows, in reverse.
// CHECK-LABEL: func.func @slice_backwards(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<4x8xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.constant"() {value = dense<-1> : tensor<1xi64>}
// CHECK-NEXT: %[[V1:.*]] = "sem.constant"() {value = dense<-9223372036854775807> : tensor<1xi64>}
// CHECK-NEXT: %[[V2:.*]] = "sem.constant"() {value = dense<0> : tensor<1xi64>}
// CHECK-NEXT: %[[V3:.*]] = "sem.constant"() {value = dense<-1> : tensor<1xi64>}
// CHECK-NEXT: %[[V4:.*]] = "sem.onnx"(%[[X]], %[[V0]], %[[V1]], %[[V2]], %[[V3]]) {attrs = {}, domain = "", op_type = "Slice"{{.*}} -> tensor<4x8xf32>
// CHECK-NEXT: return %[[V4]]
func.func @slice_backwards(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %lo = "sem.constant"() {value = dense<-1> : tensor<1xi64>} : () -> tensor<1xi64>
  %hi = "sem.constant"() {value = dense<-9223372036854775807> : tensor<1xi64>} : () -> tensor<1xi64>
  %ax = "sem.constant"() {value = dense<0> : tensor<1xi64>} : () -> tensor<1xi64>
  %st = "sem.constant"() {value = dense<-1> : tensor<1xi64>} : () -> tensor<1xi64>
  %a = "sem.onnx"(%x, %lo, %hi, %ax, %st) {
    op_type = "Slice", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11111, resultSegmentSizes = #slots_1
  } : (tensor<4x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<4x8xf32>
  return %a : tensor<4x8xf32>
}

// CHECK-LABEL: func.func @drop_concat(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x8xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.activation"(%[[X]]) {alpha = 0.000000e+00 : f32, beta = 0.000000e+00 : f32, kind = "relu"{{.*}} -> tensor<?x8xf32>
// CHECK-NEXT: return %[[V0]]
func.func @drop_concat(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %a = "sem.onnx"(%x) {
    op_type = "Concat", domain = "", version = 21 : i64, attrs = {axis = 1 : i64},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<?x8xf32>) -> tensor<?x8xf32>
  %y = "sem.activation"(%a) {alpha = 0.0 : f32, beta = 0.0 : f32, kind = "relu"} : (tensor<?x8xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// CHECK-LABEL: func.func @concat(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x8xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.onnx"(%[[X]], %[[X]]) {attrs = {axis = 1 : i64}, domain = "", op_type = "Concat"{{.*}} -> tensor<?x16xf32>
// CHECK-NEXT: return %[[V0]]
func.func @concat(%x: tensor<?x8xf32>) -> tensor<?x16xf32> {
  %a = "sem.onnx"(%x, %x) {
    op_type = "Concat", domain = "", version = 21 : i64, attrs = {axis = 1 : i64},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x16xf32>
  return %a : tensor<?x16xf32>
}
