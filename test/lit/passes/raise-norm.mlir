// RUN: noema opt %s --passes=raise | FileCheck %s

// Softmax and the normalisations become sem.softmax and sem.norm.

#slots_1 = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
#slots_11 = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
#slots_111 = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
#slots_11111 = array<i32: 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>

// The axis is counted from the front, the default is the last one.
// CHECK-LABEL: func.func @softmax(
// CHECK-NEXT: %[[R:.*]] = "sem.softmax"(%{{.*}}) {axis = 2 : i64, log = false} : (tensor<?x12x16xf32>) -> tensor<?x12x16xf32>
// CHECK-NEXT: return %[[R]]
func.func @softmax(%a0: tensor<?x12x16xf32>) -> tensor<?x12x16xf32> {
  %0 = "sem.onnx"(%a0) {
    op_type = "Softmax", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<?x12x16xf32>) -> tensor<?x12x16xf32>
  return %0 : tensor<?x12x16xf32>
}

// CHECK-LABEL: func.func @log_softmax(
// CHECK-NEXT: %{{.*}} = "sem.softmax"(%{{.*}}) {axis = 1 : i64, log = true}
func.func @log_softmax(%a0: tensor<?x12x16xf32>) -> tensor<?x12x16xf32> {
  %0 = "sem.onnx"(%a0) {
    op_type = "LogSoftmax", domain = "", version = 21 : i64, attrs = {axis = 1 : i64},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<?x12x16xf32>) -> tensor<?x12x16xf32>
  return %0 : tensor<?x12x16xf32>
}

// Before opset 13 it flattened its input to a matrix.
// CHECK-LABEL: func.func @old_softmax(
// CHECK-NEXT: %{{.*}} = "sem.onnx"
func.func @old_softmax(%a0: tensor<?x12x16xf32>) -> tensor<?x12x16xf32> {
  %0 = "sem.onnx"(%a0) {
    op_type = "Softmax", domain = "", version = 11 : i64, attrs = {},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<?x12x16xf32>) -> tensor<?x12x16xf32>
  return %0 : tensor<?x12x16xf32>
}

// CHECK-LABEL: func.func @layer_norm(
// CHECK-NEXT: %{{.*}} = "sem.norm"(%{{.*}}, %{{.*}}, %{{.*}}) {axis = 2 : i64, epsilon = 9.99999996E-13 : f32, groups = 1 : i64, kind = "layer", operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>}
func.func @layer_norm(%a0: tensor<?x12x16xf32>, %a1: tensor<16xf32>, %a2: tensor<16xf32>) -> tensor<?x12x16xf32> {
  %0 = "sem.onnx"(%a0, %a1, %a2) {
    op_type = "LayerNormalization", domain = "", version = 21 : i64, attrs = {epsilon = 9.99999996E-13 : f32},
    operandSegmentSizes = #slots_111, resultSegmentSizes = #slots_1
  } : (tensor<?x12x16xf32>, tensor<16xf32>, tensor<16xf32>) -> tensor<?x12x16xf32>
  return %0 : tensor<?x12x16xf32>
}

// CHECK-LABEL: func.func @layer_norm_two_dimensions(
// CHECK-NEXT: %{{.*}} = "sem.norm"(%{{.*}}, %{{.*}}) {axis = 1 : i64, epsilon = 9.99999974E-6 : f32, groups = 1 : i64, kind = "layer", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0>}
func.func @layer_norm_two_dimensions(%a0: tensor<?x12x16xf32>, %a1: tensor<12x16xf32>) -> tensor<?x12x16xf32> {
  %0 = "sem.onnx"(%a0, %a1) {
    op_type = "LayerNormalization", domain = "", version = 21 : i64, attrs = {axis = -2 : i64},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<?x12x16xf32>, tensor<12x16xf32>) -> tensor<?x12x16xf32>
  return %0 : tensor<?x12x16xf32>
}

// sem.norm wants the scale in the normalised shape.
// CHECK-LABEL: func.func @layer_norm_broadcast_scale(
// CHECK-NEXT: %{{.*}} = "sem.onnx"
func.func @layer_norm_broadcast_scale(%a0: tensor<?x12x16xf32>, %a1: tensor<1xf32>) -> tensor<?x12x16xf32> {
  %0 = "sem.onnx"(%a0, %a1) {
    op_type = "LayerNormalization", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<?x12x16xf32>, tensor<1xf32>) -> tensor<?x12x16xf32>
  return %0 : tensor<?x12x16xf32>
}

// The mean is used, and sem.norm has only one result.
// CHECK-LABEL: func.func @layer_norm_with_mean(
// CHECK-NEXT: %{{.*}}:2 = "sem.onnx"
func.func @layer_norm_with_mean(%a0: tensor<?x12x16xf32>, %a1: tensor<16xf32>) -> tensor<?x12x1xf32> {
  %0:2 = "sem.onnx"(%a0, %a1) {
    op_type = "LayerNormalization", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_11
  } : (tensor<?x12x16xf32>, tensor<16xf32>) -> (tensor<?x12x16xf32>, tensor<?x12x1xf32>)
  return %0#1 : tensor<?x12x1xf32>
}

// CHECK-LABEL: func.func @layer_norm_unused_mean(
// CHECK-NEXT: %{{.*}} = "sem.norm"
func.func @layer_norm_unused_mean(%a0: tensor<?x12x16xf32>, %a1: tensor<16xf32>) -> tensor<?x12x16xf32> {
  %0:2 = "sem.onnx"(%a0, %a1) {
    op_type = "LayerNormalization", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_11
  } : (tensor<?x12x16xf32>, tensor<16xf32>) -> (tensor<?x12x16xf32>, tensor<?x12x1xf32>)
  return %0#0 : tensor<?x12x16xf32>
}

// CHECK-LABEL: func.func @rms_norm(
// CHECK-NEXT: %{{.*}} = "sem.norm"(%{{.*}}, %{{.*}}) {axis = 2 : i64, epsilon = 9.99999974E-6 : f32, groups = 1 : i64, kind = "rms"
func.func @rms_norm(%a0: tensor<?x12x16xf32>, %a1: tensor<16xf32>) -> tensor<?x12x16xf32> {
  %0 = "sem.onnx"(%a0, %a1) {
    op_type = "RMSNormalization", domain = "", version = 23 : i64, attrs = {},
    operandSegmentSizes = #slots_11, resultSegmentSizes = #slots_1
  } : (tensor<?x12x16xf32>, tensor<16xf32>) -> tensor<?x12x16xf32>
  return %0 : tensor<?x12x16xf32>
}

// CHECK-LABEL: func.func @batch_norm(
// CHECK-NEXT: %{{.*}} = "sem.norm"(%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}) {axis = 1 : i64, epsilon = 9.99999974E-6 : f32, groups = 1 : i64, kind = "batch", operandSegmentSizes = array<i32: 1, 1, 1, 1, 1>}
func.func @batch_norm(%a0: tensor<1x6x4x4xf32>, %a1: tensor<6xf32>, %a2: tensor<6xf32>, %a3: tensor<6xf32>, %a4: tensor<6xf32>) -> tensor<1x6x4x4xf32> {
  %0 = "sem.onnx"(%a0, %a1, %a2, %a3, %a4) {
    op_type = "BatchNormalization", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_11111, resultSegmentSizes = #slots_1
  } : (tensor<1x6x4x4xf32>, tensor<6xf32>, tensor<6xf32>, tensor<6xf32>, tensor<6xf32>) -> tensor<1x6x4x4xf32>
  return %0 : tensor<1x6x4x4xf32>
}

// CHECK-LABEL: func.func @batch_norm_in_training(
// CHECK-NEXT: %{{.*}} = "sem.onnx"
func.func @batch_norm_in_training(%a0: tensor<1x6x4x4xf32>, %a1: tensor<6xf32>, %a2: tensor<6xf32>, %a3: tensor<6xf32>, %a4: tensor<6xf32>) -> tensor<1x6x4x4xf32> {
  %0:3 = "sem.onnx"(%a0, %a1, %a2, %a3, %a4) {
    op_type = "BatchNormalization", domain = "", version = 21 : i64, attrs = {training_mode = 1 : i64},
    operandSegmentSizes = #slots_11111, resultSegmentSizes = #slots_111
  } : (tensor<1x6x4x4xf32>, tensor<6xf32>, tensor<6xf32>, tensor<6xf32>, tensor<6xf32>) -> (tensor<1x6x4x4xf32>, tensor<6xf32>, tensor<6xf32>)
  return %0#0 : tensor<1x6x4x4xf32>
}

// CHECK-LABEL: func.func @instance_norm(
// CHECK-NEXT: %{{.*}} = "sem.norm"(%{{.*}}, %{{.*}}, %{{.*}}) {axis = 1 : i64, epsilon = 9.99999974E-6 : f32, groups = 1 : i64, kind = "instance"
func.func @instance_norm(%a0: tensor<1x6x4x4xf32>, %a1: tensor<6xf32>, %a2: tensor<6xf32>) -> tensor<1x6x4x4xf32> {
  %0 = "sem.onnx"(%a0, %a1, %a2) {
    op_type = "InstanceNormalization", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_111, resultSegmentSizes = #slots_1
  } : (tensor<1x6x4x4xf32>, tensor<6xf32>, tensor<6xf32>) -> tensor<1x6x4x4xf32>
  return %0 : tensor<1x6x4x4xf32>
}

// CHECK-LABEL: func.func @group_norm(
// CHECK-NEXT: %{{.*}} = "sem.norm"(%{{.*}}, %{{.*}}, %{{.*}}) {axis = 1 : i64, epsilon = 9.99999974E-6 : f32, groups = 3 : i64, kind = "group"
func.func @group_norm(%a0: tensor<1x6x4x4xf32>, %a1: tensor<6xf32>, %a2: tensor<6xf32>) -> tensor<1x6x4x4xf32> {
  %0 = "sem.onnx"(%a0, %a1, %a2) {
    op_type = "GroupNormalization", domain = "", version = 21 : i64, attrs = {num_groups = 3 : i64},
    operandSegmentSizes = #slots_111, resultSegmentSizes = #slots_1
  } : (tensor<1x6x4x4xf32>, tensor<6xf32>, tensor<6xf32>) -> tensor<1x6x4x4xf32>
  return %0 : tensor<1x6x4x4xf32>
}

// Before opset 21 scale and bias were per group.
// CHECK-LABEL: func.func @old_group_norm(
// CHECK-NEXT: %{{.*}} = "sem.onnx"
func.func @old_group_norm(%a0: tensor<1x6x4x4xf32>, %a1: tensor<3xf32>, %a2: tensor<3xf32>) -> tensor<1x6x4x4xf32> {
  %0 = "sem.onnx"(%a0, %a1, %a2) {
    op_type = "GroupNormalization", domain = "", version = 18 : i64, attrs = {num_groups = 3 : i64},
    operandSegmentSizes = #slots_111, resultSegmentSizes = #slots_1
  } : (tensor<1x6x4x4xf32>, tensor<3xf32>, tensor<3xf32>) -> tensor<1x6x4x4xf32>
  return %0 : tensor<1x6x4x4xf32>
}
