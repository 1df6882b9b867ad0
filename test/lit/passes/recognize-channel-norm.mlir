// RUN: noema opt %s --passes=recognize,dce | FileCheck %s

// Group and instance norms spelled out, and norms between casts.

#slots_1 = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
#slots_11 = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>

// CHECK-LABEL: func.func @group_norm(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x8x4x4xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.param"() {parameter = "weight"}
// CHECK-NEXT: %[[V1:.*]] = "sem.constant"() {value = dense<8> : tensor<1xi64>}
// CHECK-NEXT: %[[V2:.*]] = "sem.onnx"(%[[V0]], %[[V1]]) {attrs = {}, domain = "", op_type = "Reshape"{{.*}} -> tensor<8xf32>
// CHECK-NEXT: %[[V3:.*]] = "sem.constant"() {value = dense<[1.000000e+00, 2.000000e+00, 3.000000e+00, 4.000000e+00, 5.000000e+00, 6.000000e+00, 7.000000e+00, 8.000000e+00]> : tensor<8xf32>}
// CHECK-NEXT: %[[V4:.*]] = "sem.norm"(%[[X]], %[[V2]], %[[V3]]) {axis = 1 : i64, epsilon = 9.99999974E-6 : f32, groups = 2 : i64, kind = "group"{{.*}} -> tensor<?x8x4x4xf32>
// CHECK-NEXT: return %[[V4]]
func.func @group_norm(%x: tensor<?x8x4x4xf32>) -> tensor<?x8x4x4xf32> {
  %ones = "sem.constant"() {value = dense<1.0> : tensor<2xf32>} : () -> tensor<2xf32>
  %zeros = "sem.constant"() {value = dense<0.0> : tensor<2xf32>} : () -> tensor<2xf32>
  %g = "sem.constant"() {value = dense<[0, 2, -1]> : tensor<3xi64>} : () -> tensor<3xi64>
  %s = "sem.onnx"(%x) {
    op_type = "Shape", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<?x8x4x4xf32>) -> tensor<4xi64>
  %w = "sem.param"() {parameter = "weight"} : () -> tensor<8x1x1xf32>
  %b = "sem.constant"() {value = dense<[[[1.0]], [[2.0]], [[3.0]], [[4.0]], [[5.0]], [[6.0]], [[7.0]], [[8.0]]]> : tensor<8x1x1xf32>} : () -> tensor<8x1x1xf32>
  %a = "sem.onnx"(%x, %g) {
    op_type = "Reshape", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<?x8x4x4xf32>, tensor<3xi64>) -> tensor<?x2x64xf32>
  %n = "sem.norm"(%a, %ones, %zeros) {kind = "instance", operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>, axis = 1 : i64, groups = 1 : i64, epsilon = 1.0e-5 : f32} : (tensor<?x2x64xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<?x2x64xf32>
  %c = "sem.onnx"(%n, %s) {
    op_type = "Reshape", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<?x2x64xf32>, tensor<4xi64>) -> tensor<?x8x4x4xf32>
  %d = "sem.elementwise"(%c, %w) {kind = "mul", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x8x4x4xf32>, tensor<8x1x1xf32>) -> tensor<?x8x4x4xf32>
  %y = "sem.elementwise"(%d, %b) {kind = "add", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x8x4x4xf32>, tensor<8x1x1xf32>) -> tensor<?x8x4x4xf32>
  return %y : tensor<?x8x4x4xf32>
}

// The reshape back is to something else, and stays.
// CHECK-LABEL: func.func @group_norm_of_fewer_dimensions(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<2x8x4x4xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.constant"() {value = dense<[2, 8, 16]> : tensor<3xi64>}
// CHECK-NEXT: %[[V1:.*]] = "sem.norm"(%[[X]]) {axis = 1 : i64, epsilon = 9.99999974E-6 : f32, groups = 2 : i64, kind = "group"{{.*}} -> tensor<2x8x4x4xf32>
// CHECK-NEXT: %[[V2:.*]] = "sem.onnx"(%[[V1]], %[[V0]]) {attrs = {}, domain = "", op_type = "Reshape"{{.*}} -> tensor<2x8x16xf32>
// CHECK-NEXT: return %[[V2]]
func.func @group_norm_of_fewer_dimensions(%x: tensor<2x8x4x4xf32>) -> tensor<2x8x16xf32> {
  %g = "sem.constant"() {value = dense<[2, 2, 64]> : tensor<3xi64>} : () -> tensor<3xi64>
  %s = "sem.constant"() {value = dense<[2, 8, 16]> : tensor<3xi64>} : () -> tensor<3xi64>
  %a = "sem.onnx"(%x, %g) {
    op_type = "Reshape", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<2x8x4x4xf32>, tensor<3xi64>) -> tensor<2x2x64xf32>
  %n = "sem.norm"(%a) {kind = "layer", operandSegmentSizes = array<i32: 1, 0, 0, 0, 0>, axis = 2 : i64, groups = 1 : i64, epsilon = 1.0e-5 : f32} : (tensor<2x2x64xf32>) -> tensor<2x2x64xf32>
  %y = "sem.onnx"(%n, %s) {
    op_type = "Reshape", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<2x2x64xf32>, tensor<3xi64>) -> tensor<2x8x16xf32>
  return %y : tensor<2x8x16xf32>
}

// The images of a batch are normalised together.
// CHECK-LABEL: func.func @groups_of_images(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<4x8x4x4xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.constant"() {value = dense<[2, 2, 128]> : tensor<3xi64>}
// CHECK-NEXT: %[[V1:.*]] = "sem.constant"() {value = dense<[4, 8, 4, 4]> : tensor<4xi64>}
// CHECK-NEXT: %[[V2:.*]] = "sem.onnx"(%[[X]], %[[V0]]) {attrs = {}, domain = "", op_type = "Reshape"{{.*}} -> tensor<2x2x128xf32>
// CHECK-NEXT: %[[V3:.*]] = "sem.norm"(%[[V2]]) {axis = 2 : i64, epsilon = 9.99999974E-6 : f32, groups = 1 : i64, kind = "layer"{{.*}} -> tensor<2x2x128xf32>
// CHECK-NEXT: %[[V4:.*]] = "sem.onnx"(%[[V3]], %[[V1]]) {attrs = {}, domain = "", op_type = "Reshape"{{.*}} -> tensor<4x8x4x4xf32>
// CHECK-NEXT: return %[[V4]]
func.func @groups_of_images(%x: tensor<4x8x4x4xf32>) -> tensor<4x8x4x4xf32> {
  %g = "sem.constant"() {value = dense<[2, 2, 128]> : tensor<3xi64>} : () -> tensor<3xi64>
  %s = "sem.constant"() {value = dense<[4, 8, 4, 4]> : tensor<4xi64>} : () -> tensor<4xi64>
  %a = "sem.onnx"(%x, %g) {
    op_type = "Reshape", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<4x8x4x4xf32>, tensor<3xi64>) -> tensor<2x2x128xf32>
  %n = "sem.norm"(%a) {kind = "layer", operandSegmentSizes = array<i32: 1, 0, 0, 0, 0>, axis = 2 : i64, groups = 1 : i64, epsilon = 1.0e-5 : f32} : (tensor<2x2x128xf32>) -> tensor<2x2x128xf32>
  %y = "sem.onnx"(%n, %s) {
    op_type = "Reshape", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<2x2x128xf32>, tensor<4xi64>) -> tensor<4x8x4x4xf32>
  return %y : tensor<4x8x4x4xf32>
}

// CHECK-LABEL: func.func @instance_norm(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x8x?x?xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.param"() {parameter = "weight"}
// CHECK-NEXT: %[[V1:.*]] = "sem.constant"() {value = dense<8> : tensor<1xi64>}
// CHECK-NEXT: %[[V2:.*]] = "sem.onnx"(%[[V0]], %[[V1]]) {attrs = {}, domain = "", op_type = "Reshape"{{.*}} -> tensor<8xf32>
// CHECK-NEXT: %[[V3:.*]] = "sem.norm"(%[[X]], %[[V2]]) {axis = 1 : i64, epsilon = 9.99999974E-6 : f32, groups = 1 : i64, kind = "instance"{{.*}} -> tensor<?x8x?x?xf32>
// CHECK-NEXT: return %[[V3]]
func.func @instance_norm(%x: tensor<?x8x?x?xf32>) -> tensor<?x8x?x?xf32> {
  %w = "sem.param"() {parameter = "weight"} : () -> tensor<1x8x1x1xf32>
  %n = "sem.norm"(%x) {kind = "layer", operandSegmentSizes = array<i32: 1, 0, 0, 0, 0>, axis = 2 : i64, groups = 1 : i64, epsilon = 1.0e-5 : f32} : (tensor<?x8x?x?xf32>) -> tensor<?x8x?x?xf32>
  %y = "sem.elementwise"(%n, %w) {kind = "mul", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x8x?x?xf32>, tensor<1x8x1x1xf32>) -> tensor<?x8x?x?xf32>
  return %y : tensor<?x8x?x?xf32>
}

// Of one spatial dimension: the scale tells it.
// CHECK-LABEL: func.func @instance_norm_of_a_signal(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x8x16xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.param"() {parameter = "weight"}
// CHECK-NEXT: %[[V1:.*]] = "sem.constant"() {value = dense<8> : tensor<1xi64>}
// CHECK-NEXT: %[[V2:.*]] = "sem.onnx"(%[[V0]], %[[V1]]) {attrs = {}, domain = "", op_type = "Reshape"{{.*}} -> tensor<8xf32>
// CHECK-NEXT: %[[V3:.*]] = "sem.norm"(%[[X]], %[[V2]]) {axis = 1 : i64, epsilon = 9.99999974E-6 : f32, groups = 1 : i64, kind = "instance"{{.*}} -> tensor<?x8x16xf32>
// CHECK-NEXT: return %[[V3]]
func.func @instance_norm_of_a_signal(%x: tensor<?x8x16xf32>) -> tensor<?x8x16xf32> {
  %w = "sem.param"() {parameter = "weight"} : () -> tensor<8x1xf32>
  %n = "sem.norm"(%x) {kind = "layer", operandSegmentSizes = array<i32: 1, 0, 0, 0, 0>, axis = 2 : i64, groups = 1 : i64, epsilon = 1.0e-5 : f32} : (tensor<?x8x16xf32>) -> tensor<?x8x16xf32>
  %y = "sem.elementwise"(%n, %w) {kind = "mul", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x8x16xf32>, tensor<8x1xf32>) -> tensor<?x8x16xf32>
  return %y : tensor<?x8x16xf32>
}

// The scale is of the spatial dimensions: a layer norm.
// CHECK-LABEL: func.func @layer_norm_of_an_image(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x8x4x6xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.param"() {parameter = "weight"}
// CHECK-NEXT: %[[V1:.*]] = "sem.norm"(%[[X]], %[[V0]]) {axis = 2 : i64, epsilon = 9.99999974E-6 : f32, groups = 1 : i64, kind = "layer"{{.*}} -> tensor<?x8x4x6xf32>
// CHECK-NEXT: return %[[V1]]
func.func @layer_norm_of_an_image(%x: tensor<?x8x4x6xf32>) -> tensor<?x8x4x6xf32> {
  %w = "sem.param"() {parameter = "weight"} : () -> tensor<4x6xf32>
  %n = "sem.norm"(%x) {kind = "layer", operandSegmentSizes = array<i32: 1, 0, 0, 0, 0>, axis = 2 : i64, groups = 1 : i64, epsilon = 1.0e-5 : f32} : (tensor<?x8x4x6xf32>) -> tensor<?x8x4x6xf32>
  %y = "sem.elementwise"(%n, %w) {kind = "mul", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<?x8x4x6xf32>, tensor<4x6xf32>) -> tensor<?x8x4x6xf32>
  return %y : tensor<?x8x4x6xf32>
}

// A scale per image is no weight of a norm.
// CHECK-LABEL: func.func @scale_of_another_shape(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<8x8x4x4xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.param"() {parameter = "weight"}
// CHECK-NEXT: %[[V1:.*]] = "sem.norm"(%[[X]]) {axis = 1 : i64, epsilon = 9.99999974E-6 : f32, groups = 1 : i64, kind = "instance"{{.*}} -> tensor<8x8x4x4xf32>
// CHECK-NEXT: %[[V2:.*]] = "sem.elementwise"(%[[V1]], %[[V0]]) {kind = "mul"{{.*}} -> tensor<8x8x4x4xf32>
// CHECK-NEXT: return %[[V2]]
func.func @scale_of_another_shape(%x: tensor<8x8x4x4xf32>) -> tensor<8x8x4x4xf32> {
  %w = "sem.param"() {parameter = "weight"} : () -> tensor<8x1x1x1xf32>
  %n = "sem.norm"(%x) {kind = "instance", operandSegmentSizes = array<i32: 1, 0, 0, 0, 0>, axis = 1 : i64, groups = 1 : i64, epsilon = 1.0e-5 : f32} : (tensor<8x8x4x4xf32>) -> tensor<8x8x4x4xf32>
  %y = "sem.elementwise"(%n, %w) {kind = "mul", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<8x8x4x4xf32>, tensor<8x1x1x1xf32>) -> tensor<8x8x4x4xf32>
  return %y : tensor<8x8x4x4xf32>
}

// CHECK-LABEL: func.func @norm_of_cast(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x8xf16>
// CHECK-NEXT: %[[V0:.*]] = "sem.norm"(%[[X]]) {axis = 1 : i64, epsilon = 9.99999974E-6 : f32, groups = 1 : i64, kind = "rms"{{.*}} -> tensor<?x8xf16>
// CHECK-NEXT: return %[[V0]]
func.func @norm_of_cast(%x: tensor<?x8xf16>) -> tensor<?x8xf16> {
  %a = "sem.elementwise"(%x) {kind = "cast", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?x8xf16>) -> tensor<?x8xf32>
  %n = "sem.norm"(%a) {kind = "rms", operandSegmentSizes = array<i32: 1, 0, 0, 0, 0>, axis = 1 : i64, groups = 1 : i64, epsilon = 1.0e-5 : f32} : (tensor<?x8xf32>) -> tensor<?x8xf32>
  %y = "sem.elementwise"(%n) {kind = "cast", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?x8xf32>) -> tensor<?x8xf16>
  return %y : tensor<?x8xf16>
}

// The scale is an f32 one: it is applied before rounding.
// CHECK-LABEL: func.func @norm_with_a_wide_scale(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x8xf16>, %[[W:[a-z0-9]+]]: tensor<8xf32>
// CHECK-NEXT: %[[V0:.*]] = "sem.elementwise"(%[[X]]) {kind = "cast"{{.*}} -> tensor<?x8xf32>
// CHECK-NEXT: %[[V1:.*]] = "sem.norm"(%[[V0]], %[[W]]) {axis = 1 : i64, epsilon = 9.99999974E-6 : f32, groups = 1 : i64, kind = "rms"{{.*}} -> tensor<?x8xf32>
// CHECK-NEXT: %[[V2:.*]] = "sem.elementwise"(%[[V1]]) {kind = "cast"{{.*}} -> tensor<?x8xf16>
// CHECK-NEXT: return %[[V2]]
func.func @norm_with_a_wide_scale(%x: tensor<?x8xf16>, %w: tensor<8xf32>) -> tensor<?x8xf16> {
  %a = "sem.elementwise"(%x) {kind = "cast", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?x8xf16>) -> tensor<?x8xf32>
  %n = "sem.norm"(%a, %w) {kind = "rms", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0>, axis = 1 : i64, groups = 1 : i64, epsilon = 1.0e-5 : f32} : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
  %y = "sem.elementwise"(%n) {kind = "cast", operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?x8xf32>) -> tensor<?x8xf16>
  return %y : tensor<?x8xf16>
}
