// RUN: noema opt %s --passes=channels-last | FileCheck %s

// One Transpose before the first convolution, none in between, and one after the last op.
// CHECK-LABEL: func.func @follow(
// CHECK: %[[T:.*]] = "sem.onnx"(%arg0) {attrs = {perm = array<i64: 0, 2, 3, 1>}{{.*}} -> tensor<1x8x8x3xf32>
// CHECK-NEXT: %[[C:.*]] = "sem.conv"(%[[T]], %{{.*}}) {channels_last{{.*}} -> tensor<1x8x8x4xf32>
// CHECK-NEXT: %[[A:.*]] = "sem.activation"(%[[C]]){{.*}} -> tensor<1x8x8x4xf32>
// CHECK: %[[D:.*]] = "sem.conv"(%[[A]], %{{.*}}) {channels_last
// CHECK-NEXT: %[[S:.*]] = "sem.elementwise"(%[[D]], %[[A]]) {kind = "add"{{.*}} -> tensor<1x8x8x4xf32>
// CHECK-NEXT: %[[R:.*]] = "sem.onnx"(%[[S]]) {attrs = {perm = array<i64: 0, 3, 1, 2>}
// CHECK-NEXT: return %[[R]]
func.func @follow(%x: tensor<1x3x8x8xf32>) -> tensor<1x4x8x8xf32> {
  %w = "sem.param"() {parameter = "w"} : () -> tensor<4x3x3x3xf32>
  %u = "sem.param"() {parameter = "u"} : () -> tensor<4x4x3x3xf32>
  %0 = "sem.conv"(%x, %w) {dilations = array<i64: 1, 1>, groups = 1 : i64, operandSegmentSizes = array<i32: 1, 1, 0>, pads = array<i64: 1, 1, 1, 1>, strides = array<i64: 1, 1>} : (tensor<1x3x8x8xf32>, tensor<4x3x3x3xf32>) -> tensor<1x4x8x8xf32>
  %1 = "sem.activation"(%0) {alpha = 0.0 : f32, beta = 0.0 : f32, kind = "relu"} : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  %2 = "sem.conv"(%1, %u) {dilations = array<i64: 1, 1>, groups = 1 : i64, operandSegmentSizes = array<i32: 1, 1, 0>, pads = array<i64: 1, 1, 1, 1>, strides = array<i64: 1, 1>} : (tensor<1x4x8x8xf32>, tensor<4x4x3x3xf32>) -> tensor<1x4x8x8xf32>
  %3 = "sem.elementwise"(%2, %1) {kind = "add", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<1x4x8x8xf32>, tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  return %3 : tensor<1x4x8x8xf32>
}

// A patch embedding: the reshape merges the positions, and the transpose after it is what channels
// last gives anyway.
// CHECK-LABEL: func.func @patches(
// CHECK: %[[C:.*]] = "sem.conv"{{.*}} -> tensor<1x2x2x6xf32>
// CHECK: %[[P:.*]] = "sem.onnx"(%[[C]], %{{.*}}) {attrs = {}, domain = "", op_type = "Reshape"{{.*}} -> tensor<1x4x6xf32>
// CHECK-NEXT: return %[[P]]
func.func @patches(%x: tensor<1x3x8x8xf32>) -> tensor<1x4x6xf32> {
  %w = "sem.param"() {parameter = "w"} : () -> tensor<6x3x4x4xf32>
  %shape = "sem.constant"() {value = dense<[1, 6, 4]> : tensor<3xi64>} : () -> tensor<3xi64>
  %0 = "sem.conv"(%x, %w) {dilations = array<i64: 1, 1>, groups = 1 : i64, operandSegmentSizes = array<i32: 1, 1, 0>, pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 4, 4>} : (tensor<1x3x8x8xf32>, tensor<6x3x4x4xf32>) -> tensor<1x6x2x2xf32>
  %1 = "sem.onnx"(%0, %shape) {attrs = {}, domain = "", op_type = "Reshape", version = 24 : i64, operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>} : (tensor<1x6x2x2xf32>, tensor<3xi64>) -> tensor<1x6x4xf32>
  %2 = "sem.onnx"(%1) {attrs = {perm = array<i64: 0, 2, 1>}, domain = "", op_type = "Transpose", version = 24 : i64, operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>} : (tensor<1x6x4xf32>) -> tensor<1x4x6xf32>
  return %2 : tensor<1x4x6xf32>
}

// Poolings become sem.pool: ceil_mode shows in the padding, and a mean over the positions is one.
// CHECK-LABEL: func.func @pools(
// CHECK: "sem.pool"({{.*}}kernel = array<i64: 3, 3>, kind = "max", pads = array<i64: 0, 0, 1, 1>{{.*}} -> tensor<1x4x4x4xf32>
// CHECK: "sem.pool"({{.*}}kernel = array<i64>, kind = "average"{{.*}} -> tensor<1x1x1x4xf32>
// CHECK-NEXT: %{{.*}} = "sem.constant"
// CHECK-NEXT: %[[R:.*]] = "sem.onnx"({{.*}}op_type = "Reshape"{{.*}} -> tensor<1x4xf32>
// CHECK-NEXT: return %[[R]]
func.func @pools(%x: tensor<1x3x8x8xf32>) -> tensor<1x4xf32> {
  %w = "sem.param"() {parameter = "w"} : () -> tensor<4x3x3x3xf32>
  %axes = "sem.constant"() {value = dense<[2, 3]> : tensor<2xi64>} : () -> tensor<2xi64>
  %0 = "sem.conv"(%x, %w) {dilations = array<i64: 1, 1>, groups = 1 : i64, operandSegmentSizes = array<i32: 1, 1, 0>, pads = array<i64: 1, 1, 1, 1>, strides = array<i64: 1, 1>} : (tensor<1x3x8x8xf32>, tensor<4x3x3x3xf32>) -> tensor<1x4x8x8xf32>
  %1 = "sem.onnx"(%0) {attrs = {ceil_mode = 1 : i64, kernel_shape = array<i64: 3, 3>, strides = array<i64: 2, 2>}, domain = "", op_type = "MaxPool", version = 24 : i64, operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>} : (tensor<1x4x8x8xf32>) -> tensor<1x4x4x4xf32>
  %2 = "sem.onnx"(%1, %axes) {attrs = {keepdims = 0 : i64}, domain = "", op_type = "ReduceMean", version = 24 : i64, operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>} : (tensor<1x4x4x4xf32>, tensor<2xi64>) -> tensor<1x4xf32>
  return %2 : tensor<1x4xf32>
}

// An image of unknown size: the same, but for pads that would follow from the size.
// CHECK-LABEL: func.func @any_size(
// CHECK: "sem.conv"({{.*}}channels_last{{.*}} -> tensor<1x?x?x4xf32>
// CHECK: "sem.pool"({{.*}}kernel = array<i64: 2, 2>, kind = "max"{{.*}} -> tensor<1x?x?x4xf32>
// CHECK: "sem.pool"({{.*}}kernel = array<i64: 3, 3>, kind = "average", pads = array<i64: 1, 1, 1, 1>{{.*}} -> tensor<1x?x?x4xf32>
// CHECK: "sem.pool"({{.*}}kernel = array<i64>, kind = "max"{{.*}} -> tensor<1x1x1x4xf32>
func.func @any_size(%x: tensor<1x3x?x?xf32>) -> (tensor<1x4x1x1xf32>, tensor<1x4x?x?xf32>) {
  %w = "sem.param"() {parameter = "w"} : () -> tensor<4x3x3x3xf32>
  %0 = "sem.conv"(%x, %w) {dilations = array<i64: 1, 1>, groups = 1 : i64, operandSegmentSizes = array<i32: 1, 1, 0>, pads = array<i64: 1, 1, 1, 1>, strides = array<i64: 1, 1>} : (tensor<1x3x?x?xf32>, tensor<4x3x3x3xf32>) -> tensor<1x4x?x?xf32>
  %1 = "sem.onnx"(%0) {attrs = {kernel_shape = array<i64: 2, 2>, strides = array<i64: 2, 2>}, domain = "", op_type = "MaxPool", version = 24 : i64, operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>} : (tensor<1x4x?x?xf32>) -> tensor<1x4x?x?xf32>
  %2 = "sem.onnx"(%1) {attrs = {auto_pad = "SAME_UPPER", kernel_shape = array<i64: 3, 3>}, domain = "", op_type = "AveragePool", version = 24 : i64, operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>} : (tensor<1x4x?x?xf32>) -> tensor<1x4x?x?xf32>
  %3 = "sem.onnx"(%2) {attrs = {}, domain = "", op_type = "GlobalMaxPool", version = 24 : i64, operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>} : (tensor<1x4x?x?xf32>) -> tensor<1x4x1x1xf32>
  return %3, %2 : tensor<1x4x1x1xf32>, tensor<1x4x?x?xf32>
}

// Windows that don't overlap: a product per pixel, whose results are put side by side.
// CHECK-LABEL: func.func @enlarge(
// CHECK: %[[C:.*]] = "sem.conv"({{.*}}channels_last{{.*}} : (tensor<1x4x5x3xf32>, tensor<24x3x1x1xf32>, tensor<24xf32>) -> tensor<1x4x5x24xf32>
// CHECK: %[[A:.*]] = "sem.onnx"(%[[C]], %{{.*}}op_type = "Reshape"{{.*}} -> tensor<1x4x5x2x2x6xf32>
// CHECK-NEXT: %[[T:.*]] = "sem.onnx"(%[[A]]) {attrs = {perm = array<i64: 0, 1, 3, 2, 4, 5>}
// CHECK: "sem.onnx"(%[[T]], %{{.*}}op_type = "Reshape"{{.*}} -> tensor<1x8x10x6xf32>
func.func @enlarge(%x: tensor<1x3x4x5xf32>) -> tensor<1x6x8x10xf32> {
  %w = "sem.constant"() {value = dense<1.0> : tensor<3x6x2x2xf32>} : () -> tensor<3x6x2x2xf32>
  %b = "sem.constant"() {value = dense<2.0> : tensor<6xf32>} : () -> tensor<6xf32>
  %0 = "sem.onnx"(%x, %w, %b) {attrs = {kernel_shape = array<i64: 2, 2>, strides = array<i64: 2, 2>}, domain = "", op_type = "ConvTranspose", version = 22 : i64, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>} : (tensor<1x3x4x5xf32>, tensor<3x6x2x2xf32>, tensor<6xf32>) -> tensor<1x6x8x10xf32>
  return %0 : tensor<1x6x8x10xf32>
}

// Others stay as they are.
// CHECK-LABEL: func.func @enlarge_with_overlap(
// CHECK-NOT: "sem.conv"
// CHECK: op_type = "ConvTranspose"
func.func @enlarge_with_overlap(%x: tensor<1x3x4x5xf32>) -> tensor<1x6x9x11xf32> {
  %w = "sem.constant"() {value = dense<1.0> : tensor<3x6x3x3xf32>} : () -> tensor<3x6x3x3xf32>
  %0 = "sem.onnx"(%x, %w) {attrs = {kernel_shape = array<i64: 3, 3>, strides = array<i64: 2, 2>}, domain = "", op_type = "ConvTranspose", version = 22 : i64, operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>} : (tensor<1x3x4x5xf32>, tensor<3x6x3x3xf32>) -> tensor<1x6x9x11xf32>
  return %0 : tensor<1x6x9x11xf32>
}

// Parts along the channels, and a shuffle of channels: no Transpose back in between.
// CHECK-LABEL: func.func @shuffle(
// CHECK: %[[C:.*]] = "sem.conv"{{.*}} -> tensor<1x8x8x4xf32>
// CHECK-NEXT: %[[S:.*]]:2 = "sem.onnx"(%[[C]]) {attrs = {axis = 3 : i64{{.*}}op_type = "Split"{{.*}} -> (tensor<1x8x8x2xf32>, tensor<1x8x8x2xf32>)
// CHECK-NEXT: %[[J:.*]] = "sem.onnx"(%[[S]]#1, %[[S]]#0) {attrs = {axis = 3 : i64}{{.*}}op_type = "Concat"
// CHECK: %[[A:.*]] = "sem.onnx"(%[[J]], %{{.*}}op_type = "Reshape"{{.*}} -> tensor<1x8x8x2x2xf32>
// CHECK-NEXT: %[[M:.*]] = "sem.onnx"(%[[A]]) {attrs = {perm = array<i64: 0, 1, 2, 4, 3>}
// CHECK: %[[B:.*]] = "sem.onnx"(%[[M]], %{{.*}}op_type = "Reshape"{{.*}} -> tensor<1x8x8x4xf32>
// CHECK-NEXT: "sem.activation"(%[[B]])
func.func @shuffle(%x: tensor<1x3x8x8xf32>) -> tensor<1x4x8x8xf32> {
  %w = "sem.param"() {parameter = "w"} : () -> tensor<4x3x3x3xf32>
  %apart = "sem.constant"() {value = dense<[1, 2, 2, 8, 8]> : tensor<5xi64>} : () -> tensor<5xi64>
  %whole = "sem.constant"() {value = dense<[1, 4, 8, 8]> : tensor<4xi64>} : () -> tensor<4xi64>
  %0 = "sem.conv"(%x, %w) {dilations = array<i64: 1, 1>, groups = 1 : i64, operandSegmentSizes = array<i32: 1, 1, 0>, pads = array<i64: 1, 1, 1, 1>, strides = array<i64: 1, 1>} : (tensor<1x3x8x8xf32>, tensor<4x3x3x3xf32>) -> tensor<1x4x8x8xf32>
  %1:2 = "sem.onnx"(%0) {attrs = {axis = 1 : i64, num_outputs = 2 : i64}, domain = "", op_type = "Split", version = 18 : i64, operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>} : (tensor<1x4x8x8xf32>) -> (tensor<1x2x8x8xf32>, tensor<1x2x8x8xf32>)
  %2 = "sem.onnx"(%1#1, %1#0) {attrs = {axis = 1 : i64}, domain = "", op_type = "Concat", version = 13 : i64, operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>} : (tensor<1x2x8x8xf32>, tensor<1x2x8x8xf32>) -> tensor<1x4x8x8xf32>
  %3 = "sem.onnx"(%2, %apart) {attrs = {}, domain = "", op_type = "Reshape", version = 24 : i64, operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>} : (tensor<1x4x8x8xf32>, tensor<5xi64>) -> tensor<1x2x2x8x8xf32>
  %4 = "sem.onnx"(%3) {attrs = {perm = array<i64: 0, 2, 1, 3, 4>}, domain = "", op_type = "Transpose", version = 24 : i64, operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>} : (tensor<1x2x2x8x8xf32>) -> tensor<1x2x2x8x8xf32>
  %5 = "sem.onnx"(%4, %whole) {attrs = {}, domain = "", op_type = "Reshape", version = 24 : i64, operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>} : (tensor<1x2x2x8x8xf32>, tensor<4xi64>) -> tensor<1x4x8x8xf32>
  %6 = "sem.activation"(%5) {alpha = 0.0 : f32, beta = 0.0 : f32, kind = "relu"} : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  return %6 : tensor<1x4x8x8xf32>
}
