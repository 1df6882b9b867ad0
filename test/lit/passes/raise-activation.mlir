// RUN: noema opt %s --passes=raise | FileCheck %s

// Activation functions become sem.activation, their parameters alpha and beta.

#slots_1 = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>

// CHECK-LABEL: func.func @celu(
// CHECK-NEXT: %{{.*}} = "sem.activation"(%{{.*}}) {alpha = 1.000000e+00 : f32, beta = 0.000000e+00 : f32, kind = "celu"} : (tensor<?x4xf32>) -> tensor<?x4xf32>
func.func @celu(%a0: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = "sem.onnx"(%a0) {
    op_type = "Celu", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @elu(
// CHECK-NEXT: %{{.*}} = "sem.activation"(%{{.*}}) {alpha = 2.000000e+00 : f32, beta = 0.000000e+00 : f32, kind = "elu"} : (tensor<?x4xf32>) -> tensor<?x4xf32>
func.func @elu(%a0: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = "sem.onnx"(%a0) {
    op_type = "Elu", domain = "", version = 21 : i64, attrs = {alpha = 2.000000e+00 : f32},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @gelu(
// CHECK-NEXT: %{{.*}} = "sem.activation"(%{{.*}}) {alpha = 0.000000e+00 : f32, beta = 0.000000e+00 : f32, kind = "gelu_erf"} : (tensor<?x4xf32>) -> tensor<?x4xf32>
func.func @gelu(%a0: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = "sem.onnx"(%a0) {
    op_type = "Gelu", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @gelu_tanh(
// CHECK-NEXT: %{{.*}} = "sem.activation"(%{{.*}}) {alpha = 0.000000e+00 : f32, beta = 0.000000e+00 : f32, kind = "gelu_tanh"} : (tensor<?x4xf32>) -> tensor<?x4xf32>
func.func @gelu_tanh(%a0: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = "sem.onnx"(%a0) {
    op_type = "Gelu", domain = "", version = 21 : i64, attrs = {approximate = "tanh"},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @hard_sigmoid(
// CHECK-NEXT: %{{.*}} = "sem.activation"(%{{.*}}) {alpha = 2.000000e-01 : f32, beta = 5.000000e-01 : f32, kind = "hard_sigmoid"} : (tensor<?x4xf32>) -> tensor<?x4xf32>
func.func @hard_sigmoid(%a0: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = "sem.onnx"(%a0) {
    op_type = "HardSigmoid", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @hard_swish(
// CHECK-NEXT: %{{.*}} = "sem.activation"(%{{.*}}) {alpha = 0.000000e+00 : f32, beta = 0.000000e+00 : f32, kind = "hard_swish"} : (tensor<?x4xf32>) -> tensor<?x4xf32>
func.func @hard_swish(%a0: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = "sem.onnx"(%a0) {
    op_type = "HardSwish", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @leaky_relu(
// CHECK-NEXT: %{{.*}} = "sem.activation"(%{{.*}}) {alpha = 0.00999999977 : f32, beta = 0.000000e+00 : f32, kind = "leaky_relu"} : (tensor<?x4xf32>) -> tensor<?x4xf32>
func.func @leaky_relu(%a0: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = "sem.onnx"(%a0) {
    op_type = "LeakyRelu", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @mish(
// CHECK-NEXT: %{{.*}} = "sem.activation"(%{{.*}}) {alpha = 0.000000e+00 : f32, beta = 0.000000e+00 : f32, kind = "mish"} : (tensor<?x4xf32>) -> tensor<?x4xf32>
func.func @mish(%a0: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = "sem.onnx"(%a0) {
    op_type = "Mish", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @relu(
// CHECK-NEXT: %{{.*}} = "sem.activation"(%{{.*}}) {alpha = 0.000000e+00 : f32, beta = 0.000000e+00 : f32, kind = "relu"} : (tensor<f16>) -> tensor<f16>
func.func @relu(%a0: tensor<f16>) -> tensor<f16> {
  %0 = "sem.onnx"(%a0) {
    op_type = "Relu", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<f16>) -> tensor<f16>
  return %0 : tensor<f16>
}

// CHECK-LABEL: func.func @selu(
// CHECK-NEXT: %{{.*}} = "sem.activation"(%{{.*}}) {alpha = 1.67326319 : f32, beta = 1.05070102 : f32, kind = "selu"} : (tensor<?x4xf32>) -> tensor<?x4xf32>
func.func @selu(%a0: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = "sem.onnx"(%a0) {
    op_type = "Selu", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @shrink(
// CHECK-NEXT: %{{.*}} = "sem.activation"(%{{.*}}) {alpha = 5.000000e-01 : f32, beta = 2.500000e-01 : f32, kind = "shrink"} : (tensor<?x4xf32>) -> tensor<?x4xf32>
func.func @shrink(%a0: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = "sem.onnx"(%a0) {
    op_type = "Shrink", domain = "", version = 21 : i64, attrs = {bias = 2.500000e-01 : f32},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @sigmoid(
// CHECK-NEXT: %{{.*}} = "sem.activation"(%{{.*}}) {alpha = 0.000000e+00 : f32, beta = 0.000000e+00 : f32, kind = "sigmoid"} : (tensor<?x4xf32>) -> tensor<?x4xf32>
func.func @sigmoid(%a0: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = "sem.onnx"(%a0) {
    op_type = "Sigmoid", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @softplus(
// CHECK-NEXT: %{{.*}} = "sem.activation"(%{{.*}}) {alpha = 0.000000e+00 : f32, beta = 0.000000e+00 : f32, kind = "softplus"} : (tensor<?x4xf32>) -> tensor<?x4xf32>
func.func @softplus(%a0: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = "sem.onnx"(%a0) {
    op_type = "Softplus", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @softsign(
// CHECK-NEXT: %{{.*}} = "sem.activation"(%{{.*}}) {alpha = 0.000000e+00 : f32, beta = 0.000000e+00 : f32, kind = "softsign"} : (tensor<?x4xf32>) -> tensor<?x4xf32>
func.func @softsign(%a0: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = "sem.onnx"(%a0) {
    op_type = "Softsign", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @swish(
// CHECK-NEXT: %{{.*}} = "sem.activation"(%{{.*}}) {alpha = 1.500000e+00 : f32, beta = 0.000000e+00 : f32, kind = "swish"} : (tensor<?x4xf32>) -> tensor<?x4xf32>
func.func @swish(%a0: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = "sem.onnx"(%a0) {
    op_type = "Swish", domain = "", version = 24 : i64, attrs = {alpha = 1.500000e+00 : f32},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @tanh(
// CHECK-NEXT: %{{.*}} = "sem.activation"(%{{.*}}) {alpha = 0.000000e+00 : f32, beta = 0.000000e+00 : f32, kind = "tanh"} : (tensor<?x4xf32>) -> tensor<?x4xf32>
func.func @tanh(%a0: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = "sem.onnx"(%a0) {
    op_type = "Tanh", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @thresholded_relu(
// CHECK-NEXT: %{{.*}} = "sem.activation"(%{{.*}}) {alpha = 1.000000e+00 : f32, beta = 0.000000e+00 : f32, kind = "thresholded_relu"} : (tensor<?x4xf32>) -> tensor<?x4xf32>
func.func @thresholded_relu(%a0: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = "sem.onnx"(%a0) {
    op_type = "ThresholdedRelu", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @relu_of_integers(
// CHECK-NEXT: %{{.*}} = "sem.onnx"
func.func @relu_of_integers(%a0: tensor<4xi32>) -> tensor<4xi32> {
  %0 = "sem.onnx"(%a0) {
    op_type = "Relu", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = #slots_1, resultSegmentSizes = #slots_1
  } : (tensor<4xi32>) -> tensor<4xi32>
  return %0 : tensor<4xi32>
}
