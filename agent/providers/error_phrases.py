"""Pure: the words that errors are recognised by, all in lower case.

There is no bare "500", "eof" or "capacity" among them: such words stand in too many other texts.
Source: the error bodies recorded in tests/agent/providers/recorded.py, each with where it is from.
"""

import re

RATE_UNIT = re.compile(
    r"per[ _-](?:second|sec|minute|min|hour|day)\b|\b[tr]p[mds]\b|requests? per|rate.?limit"
    r"|throttl|please wait"
)
TRANSIENT = re.compile(
    r"\b(?:retry|try again (?:in|later|after|at|shortly|soon)|resets?|window|wait"
    r"|per[ -](?:minute|day|hour))\b"
)
CERTIFICATE = ("certificate verify failed", "certificate_verify_failed")
CONTENT_CODES = (
    "content_filter",
    "content_policy_violation",
    "responsibleaipolicyviolation",
    "invalid_prompt",
    "moderation_blocked",
    "data_inspection_failed",
    "datainspectionfailed",
    "sensitive_words_detected",
    "prohibited_content",
    "cyber_policy",
)
CONTENT = (
    "content_filter",
    "content filter",
    "content filtering policy",
    "content management policy",
    "content_policy_violation",
    "responsibleaipolicyviolation",
    "rejected as a result of our safety system",
    "violating our usage policy",
    "violates our usage policies",
    "violates usage guidelines",
    "content exists risk",
    "considered high risk",
    "input was flagged",
    "flagged as potentially violating",
    "data_inspection_failed",
    "inappropriate content",
    "new_sensitive",
    "sensitive_words_detected",
    "prohibited_content",
    "不安全或敏感内容",
)
SIGNATURE = (
    "signature",
    "cannot be modified",
    "must remain",
    "in `redacted_thinking` block",
    "cannot contain `thinking`",
)
NOT_KEPT = "items are not persisted when `store` is set to false"
GRAMMAR = (
    "failed to parse grammar",
    "error parsing grammar",
    "json schema conversion failed",
    "failed to convert json schema",
    "json-schema-to-grammar",
    "unable to generate parser for this template",
)
CREDIT = (
    "exceeded your current quota",
    "exceeded_current_quota",
    "insufficient credits",
    "insufficient_credits",
    "requires more credits",
    "run out of credits",
    "out of credits",
    "no credits remaining",
    "out of extra usage",
    "used all available credits",
    "monthly spending limit",
    "insufficient balance",
    "insufficient account balance",
    "credit balance is too low",
    "billing hard limit",
    "billing_hard_limit_reached",
    "billing_not_active",
    "please check your billing",
    "free tier",
    "free trial",
    "free period",
)
GROK_STALE = ("access token could not be validated", "bad-credentials")
NO_GROK = ("have an active grok subscription", "no active grok subscription")
COPILOT_STALE = ("model_not_available_for_integrator", "model_not_supported")
QUOTA = ("quota", "usage limit", "usage_limit")
TOOL_IMAGES = (
    "text is not set",
    "tool message content must be a string",
    "tool content must be a string",
    "tool result content must be a string",
    "tool message must be a string",
    "only allowed for messages with role 'user'",
    "uploaded an unsupported image",
    "multimodal tool content",
    "image tool results",
)
TOOL_STRING = re.compile(r"\btool\b.{0,120}(?:must be a string|expected a? ?string)", re.DOTALL)
IMAGE_SIZE = re.compile(
    r"image (?:\w+ )?exceeds|image_too_large|image dimensions? exceed|dimensions exceed max"
    r"|image (?:file |size )?(?:is )?too large|maximum image size|image size (?:exceeds|limit)"
)
NO_IMAGES = re.compile(
    r"(?:not support|not accept|not handle)[a-z]* (?:image|vision|multimodal)"
    r"|image (?:input|content|url)s? (?:is |are )?not (?:supported|enabled|allowed)"
    r"|support image input|unknown variant .?image_url|image_url is only supported"
    r"|not a multimodal model|images? (?:is|are) not supported|vision is not (?:supported|enabled)"
    r"|at most 0 image"
)
EFFORT = (
    r"(?:reasoning[._ ]?effort|reasoningeffort|output_config\.effort|\beffort\b"
    r"|\bthinking(?!_)[a-z._ ]{0,24}|thinking[._]?(?:budget|level|config|type)[a-z_]*"
    r"|\bthink value\b|\breasoning(?! model)(?![._]content)\b)"
)
REFUSED = (
    r"(?:unsupported|not support|doesn't support|not allowed|not valid|invalid|unrecognized"
    r"|unknown|not permitted|one of|input should be|out of range|(?:less|greater) than"
    r"|between|not available|choose a value|supported (?:values|levels))"
)
EFFORT_REFUSED = re.compile(rf"{EFFORT}.{{0,80}}?{REFUSED}|{REFUSED}.{{0,40}}?{EFFORT}", re.DOTALL)
EFFORT_PARAM = re.compile(r"(?:^|[._*])effort$|^reasoning(?:_effort|effort)?$|^thinking\b")
CAP = re.compile(
    r"max_?(?:completion_?|output_?|new_?)?tokens|maximum tokens|completion tokens"
    r"|in the completion|in the output"
)
TOO_HIGH = re.compile(
    r"too large|too high|: \d+ > \d+|at most \d|less than or equal|must be <=|valid range|range of"
    r"|model limit|maximum (?:allowed|value)|maximum context length|exceed context limit"
    r"|should be \[|must be (?:in|between)|available[_ ]"
)
STREAMING = re.compile(
    r"\bstream(?:ing)?\b[^.]{0,60}?(?:not (?:supported|available|allowed|enabled|permitted)"
    r"|unsupported|does not support|disabled)"
    r"|(?:not support|unsupported|verified to|doesn't support)[^.]{0,40}\bstream(?:ing)?\b"
)
PARAMETER = (
    "unknown_parameter",
    "unsupported_parameter",
    "unsupported_value",
    "unknown parameter",
    "unsupported parameter",
    "unrecognized request argument",
    "unknown name",
    "extra inputs are not permitted",
    "extra fields not permitted",
)
TOO_LARGE = (
    "request_too_large",
    "request entity too large",
    "payload too large",
    "request body too large",
    "request exceeds the maximum size",
)
OVERFLOW = (
    "context_length_exceeded",
    "context_window_exceeded",
    "maximum context length",
    "context length exceeded",
    "exceeds the context window",
    "exceeds context window",
    "exceeds the model's context",
    "context window exceeds",
    "exceed context limit",
    "exceeds the available context size",
    "exceed_context_size_error",
    "greater than the context length",
    "longer than the maximum model length",
    "longer than the model's context length",
    "maximum model length",
    "reduce the length of the messages",
    "reduce the length of the input",
    "prompt is too long",
    "prompt too long",
    "input is too long",
    "input too long",
    "too many input tokens",
    "too many tokens",
    "too many total text bytes",
    "maximum prompt length",
    "prompt exceeds max length",
    "exceeded model token limit",
    "input token count",
    "input tokens exceed",
    "input length and `max_tokens`",
    "tokens + `max_new_tokens`",
    "exceeds the maximum number of tokens",
    "more than max tokens allowed",
    "range of input length should be",
    "上下文长度",
    "上下文窗口",
    "超出最大长度",
    "超过最大长度",
    "超出模型最大",
    "输入过长",
    "输入长度",
)
POLICY = (
    "matching your data policy",
    "guardrail restrictions and data policy",
    "settings/privacy",
    "violation (account settings)",
)
MODEL_CODES = (
    "model_not_found",
    "model_not_available",
    "model_not_supported",
    "unsupported_api_for_model",
    "invalid_model",
    "model_not_exist",
    "deploymentnotfound",
)
MODEL = re.compile(
    r"model\b.{0,120}?(?:does not exist|not found|not exist|no longer available|deprecated"
    r"|decommissioned|not supported on this|not supported when using|is not a valid model"
    r"|is not available)|not a valid model|no such model|unknown model"
    r"|invalid model|no endpoints found|deployment for this resource does not exist"
    r"|not a chat model",
    re.DOTALL,
)
UPSTREAM = ("upstream", "provider returned error")
OVERLOAD = (
    "overloaded",
    "over capacity",
    "at capacity",
    "high demand",
    "engine is currently busy",
    "server is busy",
    "server_is_overloaded",
    "访问量过大",
)
THROTTLE = ("rate limit", "rate_limit", "ratelimit", "too many requests", "throttl", "slow_down")
AUTH = (
    "invalid_api_key",
    "incorrect api key",
    "invalid api key",
    "no api key",
    "invalid x-api-key",
    "authentication_error",
    "token_expired",
    "unauthorized",
)
KEY_400 = ("api key not valid", "api_key_invalid")
TIMEOUT = ("timed out", "deadline exceeded")
TRANSPORT = (
    "[ssl:",
    "tls alert",
    "connection reset",
    "connection refused",
    "connection error",
    "connection closed",
    "connection aborted",
    "server disconnected",
    "peer closed connection",
    "broken pipe",
    "socket hang up",
    "network error",
    "protocol error",
)
