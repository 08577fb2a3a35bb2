#!/usr/bin/perl
# A stand-in for the servers of language models, for the specs: it speaks the wire
# formats of OpenAI's chat completions, Anthropic's messages and Ollama's chat,
# streamed and whole. `[[name value]]` directives in the last user message steer
# what it does; `models.lua` lists them. Prints its port and process id.
#   models.pl [--key KEY]      KEY: the only key that it takes; without it, any
# One process and one select loop, so that many slow clients share one state. It
# ends when its parent is gone, and after 10 minutes in any case.
use strict;
use warnings;
use Errno qw(EAGAIN EWOULDBLOCK EINTR);
use IO::Select;
use IO::Socket::INET;
use JSON::PP;
use Socket qw(IPPROTO_TCP TCP_NODELAY);
use Time::HiRes qw(time);

use constant LIFETIME => 600;

my %option = @ARGV;
my $key = $option{'--key'};
my $json = JSON::PP->new->utf8->canonical->allow_nonref;
my $pretty = JSON::PP->new->utf8->canonical->allow_nonref->pretty;
my %reason = (
  200 => 'OK', 400 => 'Bad Request', 401 => 'Unauthorized', 403 => 'Forbidden', 404 => 'Not Found', 411 => 'Length Required',
  429 => 'Too Many Requests', 500 => 'Internal Server Error', 502 => 'Bad Gateway', 503 => 'Service Unavailable', 529 => 'Overloaded',
);

my @requests;  # what /requests tells
my %times;     # how often a request came, by its key, for [[times K]]
my $count = 0; # of all requests, for their ids

# --- the text of messages ---

sub text_of {
  my $content = shift;
  return defined $content ? "$content" : '' unless ref $content eq 'ARRAY';
  return join '', map { ref eq 'HASH' && defined $_->{text} ? $_->{text} : '' } @$content;
}

sub messages_of { my $body = shift; return grep { ref eq 'HASH' } ref $body->{messages} eq 'ARRAY' ? @{$body->{messages}} : () }

sub last_user_text {
  my @users = grep { ($_->{role} // '') eq 'user' } messages_of(shift);
  return @users ? text_of($users[-1]{content}) : '';
}

sub words { my @words = split ' ', shift; return scalar @words }

sub system_of {
  my $body = shift;
  my @texts = map { text_of($_->{content}) } grep { ($_->{role} // '') =~ /^(?:system|developer)$/ } messages_of($body);
  unshift @texts, text_of($body->{system}) if defined $body->{system};
  return join "\n", @texts;
}

sub history { return $json->encode([map { { role => $_->{role}, content => text_of($_->{content}) } } messages_of(shift)]) }

# --- directives ---

my %known = map { $_ => 1 } qw(
  reply status header times delay pieces gap cut crlf comments multiline nospace break end stall error
  usage nousage finish big history system shape echokey raw open
);

my %escape = (n => "\n", t => "\t", r => "\r", b => "\b", f => "\f", '"' => '"', '/' => '/', '\\' => '\\');

sub from_utf16 {
  my @units = map { hex } shift =~ /([0-9a-fA-F]{4})/g;
  my $text = '';
  while (@units) {
    my $unit = shift @units;
    if ($unit >= 0xD800 && $unit < 0xDC00 && @units && $units[0] >= 0xDC00 && $units[0] < 0xE000) {
      $unit = 0x10000 + (($unit - 0xD800) << 10) + (shift(@units) - 0xDC00);
    }
    $text .= chr($unit >= 0xD800 && $unit < 0xE000 ? 0xFFFD : $unit);
  }
  return $text;
}

sub unescape {
  my $text = shift;
  $text =~ s{((?:\\u[0-9a-fA-F]{4})+)|\\([ntrbf"/\\])}{ defined $1 ? from_utf16($1) : $escape{$2} }ge;
  return $text;
}

sub note {
  my ($found, $name, $value) = @_;
  $value = '' unless defined $value;
  if ($name eq 'header') { push @{$found->{header}}, $value }
  else { $found->{$name} = $name =~ /^(?:reply|raw)$/ ? unescape($value) : $value }
  return '';
}

# The directives of a text, and the text without them.
sub directives {
  my $text = shift;
  my $found = { header => [] };
  my $taken = $text =~ s{\[\[(\w+)(?:\s+(.*?))?\]\](?!\])}{ $known{$1} ? note($found, $1, $2) : $& }gse;
  $text =~ s/^\s+|\s+$//g if $taken;
  return ($found, $text);
}

# Takes away what [[times K]] has used up: what goes wrong goes wrong K times a key.
sub use_up {
  my ($found, $request, $text) = @_;
  return unless defined $found->{times};
  my $one = $request->{headers}{'idempotency-key'};
  $one = "$request->{path} $text" unless defined $one;
  delete @$found{qw(status break end stall error raw)} if ++$times{$one} > $found->{times};
}

# --- answers ---

sub format_of {
  my $body = shift;
  my $config = ref $body->{output_config} eq 'HASH' ? $body->{output_config}{format} : undef;
  for my $format ($body->{response_format}, $config, $body->{output_format}, $body->{format}) { return $format if defined $format }
  return undef;
}

# The header that has the key, and the key in it.
sub key_of {
  my ($vendor, $request) = @_;
  for my $name (@{$vendor->{key_headers}}) {
    my $value = $request->{headers}{$name} // next;
    return ($value, $name eq 'authorization' ? $value =~ /^Bearer (.+)$/i : $value =~ /^(.+)$/);
  }
  return ('', undef);
}

sub answer_text {
  my ($vendor, $request, $found, $plain) = @_;
  my $body = $request->{decoded};
  return $found->{reply} if defined $found->{reply};
  return substr '0123456789' x ($found->{big} / 10 + 1), 0, $found->{big} if defined $found->{big};
  return decoded_text(history($body)) if defined $found->{history};
  return system_of($body) if defined $found->{system};
  return decoded_text($json->encode(format_of($body))) if defined $found->{shape};
  return (key_of($vendor, $request))[0] if defined $found->{echokey};
  return "echo: $plain";
}

sub decoded_text { my $bytes = shift; utf8::decode($bytes); return $bytes }

sub usage_of {
  my ($request, $found, $text) = @_;
  return map { $_ + 0 } split ' ', $found->{usage} if defined $found->{usage};
  my $body = $request->{decoded};
  my $input = 0;
  $input += words(text_of($_->{content})) for messages_of($body);
  $input += words(text_of($body->{system})) if defined $body->{system};
  return ($input, words($text));
}

sub answer_for {
  my ($vendor, $request, $found, $plain) = @_;
  my $text = answer_text($vendor, $request, $found, $plain);
  my ($input, $output) = usage_of($request, $found, $text);
  return {
    id => $count, model => $request->{decoded}{model}, text => $text, input => $input, output => $output // 0,
    finish => $found->{finish} // $vendor->{finish}, tells_usage => !defined $found->{nousage}, body => $request->{decoded},
  };
}

# --- OpenAI's chat completions ---

sub openai_error {
  my ($status, $message) = @_;
  my %code = (401 => 'invalid_api_key', 404 => 'model_not_found', 429 => 'rate_limit_exceeded');
  my $type = $status == 429 ? 'requests' : $status >= 500 ? 'server_error' : 'invalid_request_error';
  return { error => { message => $message, type => $type, param => undef, code => $code{$status} } };
}

sub openai_check {
  my $body = shift;
  my $format = ref $body->{response_format} eq 'HASH' ? $body->{response_format} : {};
  return 'you must provide a model parameter' unless defined $body->{model} && length $body->{model};
  return "Missing required parameter: 'messages'." unless messages_of($body);
  return "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported." if defined $body->{max_tokens} && defined $body->{max_completion_tokens};
  return "The 'stream_options' parameter is only allowed when 'stream' is enabled." if defined $body->{stream_options} && !$body->{stream};
  return "Missing required parameter: 'response_format.json_schema.name'."
    if ($format->{type} // '') eq 'json_schema' && !(ref $format->{json_schema} eq 'HASH' && defined $format->{json_schema}{name});
  return undef;
}

sub openai_usage {
  my $answer = shift;
  return { prompt_tokens => $answer->{input}, completion_tokens => $answer->{output}, total_tokens => $answer->{input} + $answer->{output} };
}

sub openai_whole {
  my $answer = shift;
  my $message = { role => 'assistant', content => $answer->{text}, refusal => undef };
  return {
    id => "chatcmpl-$answer->{id}", object => 'chat.completion', created => int time, model => $answer->{model},
    choices => [{ index => 0, message => $message, logprobs => undef, finish_reason => $answer->{finish} }],
    $answer->{tells_usage} ? (usage => openai_usage($answer)) : (),
  };
}

sub openai_asks_usage {
  my $answer = shift;
  my $options = $answer->{body}{stream_options};
  return $answer->{tells_usage} && ref $options eq 'HASH' && $options->{include_usage};
}

sub openai_chunk {
  my ($answer, $choices, $usage) = @_;
  return [undef, {
    id => "chatcmpl-$answer->{id}", object => 'chat.completion.chunk', created => int time, model => $answer->{model}, choices => $choices,
    openai_asks_usage($answer) ? (usage => $usage) : (),
  }];
}

sub openai_delta {
  my ($answer, $delta, $finish) = @_;
  return openai_chunk($answer, [{ index => 0, delta => $delta, logprobs => undef, finish_reason => $finish }]);
}

sub openai_closing {
  my $answer = shift;
  return (
    openai_delta($answer, {}, $answer->{finish}),
    openai_asks_usage($answer) ? openai_chunk($answer, [], openai_usage($answer)) : (),
    [undef, \'[DONE]'],
  );
}

my %openai = (
  name => 'openai', finish => 'stop', key_headers => ['authorization'], needs_key => 1, error_status => 500,
  no_key => "You didn't provide an API key.", wrong_key => 'Incorrect API key provided: ',
  id_header => 'x-request-id', stream_type => 'text/event-stream; charset=utf-8',
  error => \&openai_error, check => \&openai_check, whole => \&openai_whole,
  streams => sub { $_[0]{stream} },
  opening => sub { openai_delta($_[0], { role => 'assistant', content => '', refusal => undef }) },
  piece => sub { openai_delta($_[0], { content => $_[1] }) },
  closing => \&openai_closing,
  stream_error => sub { [undef, openai_error(500, 'stand-in says error')] },
);

# --- Anthropic's messages (the key is in x-api-key; their own client sends it as a bearer's) ---

my %anthropic_type = (
  400 => 'invalid_request_error', 401 => 'authentication_error', 402 => 'billing_error', 403 => 'permission_error', 404 => 'not_found_error',
  413 => 'request_too_large', 429 => 'rate_limit_error', 504 => 'timeout_error', 529 => 'overloaded_error',
);

sub anthropic_error {
  my ($status, $message) = @_;
  my $type = $anthropic_type{$status} // ($status >= 500 ? 'api_error' : 'invalid_request_error');
  return { type => 'error', error => { type => $type, message => $message }, request_id => "req_$count" };
}

sub anthropic_check {
  my ($body, $headers) = @_;
  return 'anthropic-version: header is required' unless defined $headers->{'anthropic-version'};
  return 'model: Field required' unless defined $body->{model};
  return 'max_tokens: Field required' unless defined $body->{max_tokens};
  return 'max_tokens: Input should be greater than or equal to 1' unless $body->{max_tokens} =~ /^[1-9]\d*$/;
  my @messages = messages_of($body) or return 'messages: Field required';
  for my $at (0 .. $#messages) {
    my $role = $messages[$at]{role} // '';
    return "messages.$at.role: Input should be 'user' or 'assistant'" unless $role =~ /^(?:user|assistant)$/;
    return "messages.$at: all messages must have non-empty content" if $at < $#messages && text_of($messages[$at]{content}) eq '';
  }
  return undef;
}

sub anthropic_message {
  my ($answer, %rest) = @_;
  return { id => "msg_$answer->{id}", type => 'message', role => 'assistant', model => $answer->{model}, stop_sequence => undef, %rest };
}

sub anthropic_usage {
  my ($answer, $output) = @_;
  return () unless $answer->{tells_usage};
  return (usage => { input_tokens => $answer->{input}, output_tokens => $output, cache_creation_input_tokens => 0, cache_read_input_tokens => 0 });
}

sub anthropic_whole {
  my $answer = shift;
  my $content = [{ type => 'text', text => $answer->{text} }];
  return anthropic_message($answer, content => $content, stop_reason => $answer->{finish}, anthropic_usage($answer, $answer->{output}));
}

sub anthropic_event { my ($type, %rest) = @_; return [$type, { type => $type, %rest }] }

sub anthropic_opening {
  my $answer = shift;
  return (
    anthropic_event('message_start', message => anthropic_message($answer, content => [], stop_reason => undef, anthropic_usage($answer, 1))),
    anthropic_event('content_block_start', index => 0, content_block => { type => 'text', text => '' }),
    anthropic_event('ping'),
  );
}

sub anthropic_closing {
  my $answer = shift;
  return (
    anthropic_event('content_block_stop', index => 0),
    anthropic_event('message_delta', delta => { stop_reason => $answer->{finish}, stop_sequence => undef },
      $answer->{tells_usage} ? (usage => { output_tokens => $answer->{output} }) : ()),
    anthropic_event('message_stop'),
  );
}

my %anthropic = (
  name => 'anthropic', finish => 'end_turn', key_headers => ['x-api-key', 'authorization'], needs_key => 1, error_status => 529,
  no_key => 'x-api-key header is required', wrong_key => 'invalid x-api-key: ',
  id_header => 'request-id', stream_type => 'text/event-stream; charset=utf-8',
  error => \&anthropic_error, check => \&anthropic_check, whole => \&anthropic_whole,
  streams => sub { $_[0]{stream} },
  opening => \&anthropic_opening,
  piece => sub { anthropic_event('content_block_delta', index => 0, delta => { type => 'text_delta', text => $_[1] }) },
  closing => \&anthropic_closing,
  stream_error => sub { ['error', anthropic_error(529, 'stand-in says error')] },
);

# --- Ollama's chat ---

sub ollama_time {
  my @at = gmtime;
  return sprintf '%04d-%02d-%02dT%02d:%02d:%02d.000000Z', $at[5] + 1900, $at[4] + 1, @at[3, 2, 1, 0];
}

sub ollama_line {
  my ($answer, $text, %rest) = @_;
  return { model => $answer->{model}, created_at => ollama_time(), message => { role => 'assistant', content => $text }, done => JSON::PP::false, %rest };
}

sub ollama_last {
  my ($answer, $text) = @_;
  my %counts = $answer->{tells_usage} ? (prompt_eval_count => $answer->{input}, eval_count => $answer->{output}) : ();
  return ollama_line($answer, $text, done => JSON::PP::true, done_reason => $answer->{finish}, %counts,
    total_duration => 5_000_000, load_duration => 1_000_000, prompt_eval_duration => 1_000_000, eval_duration => 3_000_000);
}

my %ollama = (
  name => 'ollama', finish => 'stop', key_headers => ['authorization'], needs_key => 0, error_status => 500,
  no_key => 'unauthorized', wrong_key => 'unauthorized: ',
  id_header => 'x-request-id', stream_type => 'application/x-ndjson',
  error => sub { { error => $_[1] } },
  check => sub { defined $_[0]{model} && length $_[0]{model} ? undef : 'model is required' },
  whole => sub { ollama_last($_[0], $_[0]{text}) },
  streams => sub { !defined $_[0]{stream} || $_[0]{stream} },
  opening => sub { () },
  piece => sub { [undef, ollama_line(@_)] },
  closing => sub { [undef, ollama_last($_[0], '')] },
  stream_error => sub { [undef, { error => 'stand-in says error' }] },
);

# --- frames of a stream ---

sub data_lines {
  my ($data, $found) = @_;
  my $start = defined $found->{nospace} ? 'data:' : 'data: ';
  return $start . $$data . "\n" if ref $data eq 'SCALAR';
  my $text = defined $found->{multiline} ? $pretty->encode($data) : $json->encode($data);
  return join '', map { "$start$_\n" } split /\n/, $text;
}

sub event_frame {
  my ($event, $found) = @_;
  my ($name, $data) = @$event;
  my $frame = '';
  if (defined $found->{comments}) {
    $name = 'message' unless defined $name;
    $frame = ": a comment\n\nid: " . ++$found->{events} . "\nretry: 1000\n";
  }
  $frame .= "event: $name\n" if defined $name;
  $frame .= data_lines($data, $found) . "\n";
  $frame =~ s/\n/\r\n/g if defined $found->{crlf};
  return $frame;
}

sub frames {
  my ($vendor, $found, @events) = @_;
  return join '', map { $vendor->{name} eq 'ollama' ? $json->encode($_->[1]) . "\n" : event_frame($_, $found) } @events;
}

sub pieces {
  my ($text, $found) = @_;
  my $length = length $text or return ();
  my $words = words($text);
  my $wanted = $found->{pieces} || ($words > 32 ? 32 : $words) || 1;
  $wanted = $length if $wanted > $length;
  my @ends = map { int($length * $_ / $wanted) } 0 .. $wanted;
  return map { substr $text, $ends[$_], $ends[$_ + 1] - $ends[$_] } 0 .. $wanted - 1;
}

# --- what is sent: a list of steps, each [write => BYTES], [wait => SECONDS],
# [end => WORD] (the answer is whole), [close => WORD] or [stall => WORD] ---

sub head {
  my ($status, $headers) = @_;
  my $head = "HTTP/1.1 $status " . ($reason{$status} // 'Status') . "\r\n";
  $head .= "$_\r\n" for @$headers;
  return "$head\r\n";
}

sub extra_headers {
  my ($vendor, $found) = @_;
  my @headers = ("$vendor->{id_header}: req_$count");
  for my $header (@{$found->{header}}) {
    my ($name, $value) = split ' ', $header, 2;
    push @headers, "$name: " . ($value // '') if defined $name;
  }
  return @headers;
}

sub whole_steps {
  my ($status, $type, $bytes, @headers) = @_;
  return ([write => head($status, ["Content-Type: $type", 'Content-Length: ' . length $bytes, @headers]) . $bytes], [end => 'answered']);
}

sub error_steps {
  my ($vendor, $status, $message, @headers) = @_;
  return whole_steps($status, 'application/json', $json->encode($vendor->{error}->($status, $message)), @headers);
}

sub raw_steps {
  my ($vendor, $request, $found, @headers) = @_;
  my $bytes = $found->{raw};
  utf8::encode($bytes);
  my $type = $bytes =~ /^\s*</ ? 'text/html' : $vendor->{streams}->($request->{decoded}) ? $vendor->{stream_type} : 'application/json';
  return whole_steps($found->{status} || 200, $type, $bytes, @headers);
}

sub half_steps {
  my ($bytes, @headers) = @_;
  my $head = head(200, ['Content-Type: application/json', 'Content-Length: ' . length $bytes, @headers]);
  return ([write => $head . substr $bytes, 0, length($bytes) / 2], [close => 'broken']);
}

sub plain_steps {
  my ($vendor, $answer, $found, @headers) = @_;
  my $bytes = $json->encode($vendor->{whole}->($answer));
  return half_steps($bytes, @headers) if defined $found->{break} || defined $found->{end};
  return ([stall => 'stalled']) if defined $found->{stall};
  return error_steps($vendor, $vendor->{error_status}, 'stand-in says error', @headers) if defined $found->{error};
  return whole_steps(200, 'application/json', $bytes, @headers);
}

# Bytes of a stream as writes: in small ones after [[cut N]], each of them a chunk.
sub writes {
  my ($request, $found, $bytes) = @_;
  my @parts = $found->{cut} ? unpack "(a$found->{cut})*", $bytes : ($bytes);
  return map { [write => $request->{is_old} ? $_ : sprintf("%x\r\n", length) . "$_\r\n"] } grep { length } @parts;
}

sub fault_of {
  my $found = shift;
  for my $name (qw(break stall error end)) { return ($name, $found->{$name} || 0) if defined $found->{$name} }
  return;
}

sub last_steps {
  my ($vendor, $request, $answer, $found, $fault) = @_;
  return ([close => 'broken']) if $fault eq 'break';
  return ([stall => 'stalled']) if $fault eq 'stall';
  my @events = $fault eq 'error' ? $vendor->{stream_error}->() : $fault eq 'end' ? () : $vendor->{closing}->($answer);
  my @writes = writes($request, $found, frames($vendor, $found, @events));
  return (@writes, [stall => 'answered']) if defined $found->{open};
  return (@writes, $request->{is_old} ? () : [write => "0\r\n\r\n"], [end => 'answered']);
}

sub stream_steps {
  my ($vendor, $request, $answer, $found, @headers) = @_;
  my @pieces = pieces($answer->{text}, $found);
  my ($fault, $after) = fault_of($found);
  splice @pieces, $after if defined $fault && $after < @pieces;
  push @headers, 'Transfer-Encoding: chunked' unless $request->{is_old};
  my @steps = ([write => head(200, ["Content-Type: $vendor->{stream_type}", 'Cache-Control: no-cache', @headers])]);
  push @steps, writes($request, $found, frames($vendor, $found, $vendor->{opening}->($answer)));
  for my $at (0 .. $#pieces) {
    push @steps, [wait => $found->{gap}] if $found->{gap} && $at > 0;
    push @steps, writes($request, $found, frames($vendor, $found, $vendor->{piece}->($answer, $pieces[$at])));
  }
  return (@steps, last_steps($vendor, $request, $answer, $found, $fault // ''));
}

# --- requests ---

# What is wrong with a request, as a status and a message, or nothing.
sub refusal {
  my ($vendor, $request) = @_;
  my (undef, $given) = key_of($vendor, $request);
  return (401, $vendor->{no_key}) if !defined $given && ($vendor->{needs_key} || defined $key);
  return (401, "$vendor->{wrong_key}$given") if defined $key && $given ne $key;
  return if $request->{method} eq 'GET';
  return (400, 'We could not parse the JSON body of your request.') unless ref $request->{decoded} eq 'HASH';
  my $wrong = $vendor->{check}->($request->{decoded}, $request->{headers});
  return (400, $wrong) if defined $wrong;
  return;
}

sub model_steps {
  my ($vendor, $request) = @_;
  my ($status, $message) = refusal($vendor, $request);
  return error_steps($vendor, $status, $message, extra_headers($vendor, {})) if $status;
  my $text = last_user_text($request->{decoded});
  my ($found, $plain) = directives($text);
  use_up($found, $request, $text);
  my @headers = extra_headers($vendor, $found);
  my @first = $found->{delay} ? ([wait => $found->{delay}]) : ();
  return (@first, raw_steps($vendor, $request, $found, @headers)) if defined $found->{raw};
  return (@first, error_steps($vendor, $found->{status}, "stand-in says $found->{status}", @headers)) if $found->{status} && $found->{status} != 200;
  my $answer = answer_for($vendor, $request, $found, $plain);
  return (@first, stream_steps($vendor, $request, $answer, $found, @headers)) if $vendor->{streams}->($request->{decoded});
  return (@first, plain_steps($vendor, $answer, $found, @headers));
}

sub list_steps {
  my ($vendor, $request) = @_;
  my ($status, $message) = refusal($vendor, $request);
  return error_steps($vendor, $status, $message) if $status;
  my $list = $vendor == \%ollama ? { models => [{ name => 'stand-in', model => 'stand-in', size => 1 }] }
    : $vendor == \%anthropic ? { data => [{ id => 'stand-in', type => 'model', display_name => 'Stand-in' }], has_more => JSON::PP::false }
    : { object => 'list', data => [{ id => 'stand-in', object => 'model', created => 1, owned_by => 'specs' }] };
  return whole_steps(200, 'application/json', $json->encode($list));
}

sub told {
  my $request = shift;
  my %fields = map { $_ => $request->{$_} } qw(method path headers at outcome);
  my $text = $json->encode(\%fields);
  chop $text;
  return $text . ',"body":' . (ref $request->{decoded} ? $request->{body} : $json->encode(decoded_text($request->{body}))) . '}';
}

sub requests_steps {
  my $method = shift;
  if ($method eq 'DELETE') { @requests = (); %times = () }
  return whole_steps(200, 'application/json', '[' . join(',', map { told($_) } @requests) . ']');
}

sub vendor_of {
  my $request = shift;
  return \%ollama if $request->{path} =~ m{^/api/};
  return $request->{path} =~ m{^/v1/messages} || defined $request->{headers}{'anthropic-version'} ? \%anthropic : \%openai;
}

my %routes = (
  'POST /v1/chat/completions' => \&model_steps, 'POST /v1/messages' => \&model_steps, 'POST /api/chat' => \&model_steps,
  'GET /v1/models' => \&list_steps, 'GET /api/tags' => \&list_steps,
);

sub steps_for {
  my $request = shift;
  my $path = $request->{path} =~ s/\?.*//r;
  return requests_steps($request->{method}) if $path eq '/requests';
  push @requests, $request if $request->{method} eq 'POST';
  $count++;
  my $vendor = vendor_of($request);
  my $route = $routes{"$request->{method} $path"};
  return $route->($vendor, $request) if $route;
  return error_steps($vendor, 404, "Unknown request URL: $request->{method} $path.");
}

sub parse_head {
  my $head = shift;
  my ($first, @lines) = split /\r?\n/, $head;
  my ($method, $path, $version) = $first =~ m{^(\S+) (\S+) HTTP/(\d\.\d)$} or return undef;
  my %headers;
  for (@lines) {
    my ($name, $value) = /^([^:\s]+):\s*(.*?)\s*$/ or next;
    utf8::decode($value);
    $headers{lc $name} = defined $headers{lc $name} ? $headers{lc $name} . ", $value" : $value;
  }
  return { method => $method, path => $path, headers => \%headers, is_old => $version eq '1.0', at => time, outcome => 'open' };
}

# --- connections ---

my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1024, ReuseAddr => 1, Blocking => 0) or die "listen: $!";
my ($readers, $writers) = (IO::Select->new($server), IO::Select->new);
my %connections;

sub leave {
  my ($connection, $outcome) = @_;
  $connection->{request}{outcome} = $outcome if $connection->{request};
  $readers->remove($connection->{socket});
  $writers->remove($connection->{socket});
  delete $connections{fileno $connection->{socket}};
  close $connection->{socket};
}

sub join_in {
  while (my $socket = $server->accept) {
    $socket->blocking(0);
    setsockopt $socket, IPPROTO_TCP, TCP_NODELAY, pack 'i', 1;
    $readers->add($socket);
    $connections{fileno $socket} = { socket => $socket, in => '', out => '', steps => [], wake => 0 };
  }
}

sub passing { return $!{EAGAIN} || $!{EWOULDBLOCK} || $!{EINTR} }

sub take_in {
  my $connection = shift;
  my $got = sysread $connection->{socket}, $connection->{in}, 262_144, length $connection->{in};
  leave($connection, 'gone') if defined $got ? $got == 0 : !passing();
}

sub give_out {
  my $connection = shift;
  my $sent = syswrite $connection->{socket}, $connection->{out};
  if (defined $sent) { substr $connection->{out}, 0, $sent, '' }
  elsif (!passing()) { return leave($connection, 'gone') }
  if ($connection->{out} eq '') { $writers->remove($connection->{socket}) }
  else { $writers->add($connection->{socket}) }
}

sub read_head {
  my $connection = shift;
  my $end = index $connection->{in}, "\r\n\r\n";
  return if $end < 0;
  my $request = parse_head(substr $connection->{in}, 0, $end);
  substr $connection->{in}, 0, $end + 4, '';
  return leave($connection, 'gone') unless $request;
  $connection->{next} = $request;
  $connection->{out} = "HTTP/1.1 100 Continue\r\n\r\n" if lc($request->{headers}{expect} // '') eq '100-continue';
  give_out($connection) if $connection->{out} ne '';
}

# Begins on the next request of a connection, when it is all there.
sub begin {
  my $connection = shift;
  read_head($connection) unless $connection->{next};
  my $request = $connection->{next} or return;
  my $length = $request->{headers}{'content-length'} // 0;
  return if length $connection->{in} < $length || $connection->{out} ne '';
  $request->{body} = substr $connection->{in}, 0, $length, '';
  $request->{decoded} = eval { $json->decode($request->{body}) };
  delete $connection->{next};
  $connection->{request} = $request;
  $connection->{steps} = eval { [steps_for($request)] } || [error_steps(vendor_of($request), 500, "the stand-in itself failed: $@")];
  return 1;
}

sub finish {
  my ($connection, $outcome) = @_;
  my $request = $connection->{request};
  return leave($connection, $outcome) if $request->{is_old} || lc($request->{headers}{connection} // '') eq 'close';
  $request->{outcome} = $outcome;
  $connection->{request} = undef;
}

# Does the next step of a connection, one at a time so that others get their turn.
sub advance {
  my $connection = shift;
  return if $connection->{out} ne '' || $connection->{is_stalled} || $connection->{wake} > time;
  unless ($connection->{request}) { begin($connection) or return }
  my ($do, $what) = @{shift @{$connection->{steps}}};
  if ($do eq 'write') { $connection->{out} = $what; give_out($connection) }
  elsif ($do eq 'wait') { $connection->{wake} = time + $what }
  elsif ($do eq 'end') { finish($connection, $what) }
  elsif ($do eq 'close') { leave($connection, $what) }
  else { $connection->{is_stalled} = 1; $connection->{request}{outcome} = $what }
}

# How long the loop may sleep: until the next of the connections has something to do.
sub patience {
  my ($now, $patience) = (time, 1);
  for my $connection (values %connections) {
    next if !$connection->{request} || $connection->{out} ne '' || $connection->{is_stalled};
    my $left = $connection->{wake} - $now;
    $patience = $left if $left < $patience;
  }
  return $patience < 0 ? 0 : $patience;
}

sub turn {
  my ($readable, $writable) = IO::Select->select($readers, $writers, undef, patience());
  for my $socket (@{$writable || []}) { give_out($connections{fileno $socket}) }
  for my $socket (@{$readable || []}) {
    if ($socket == $server) { join_in() }
    elsif (defined fileno $socket) { take_in($connections{fileno $socket}) }
  }
  advance($_) for values %connections;
}

$SIG{PIPE} = 'IGNORE';
my ($started, $parent) = (time, getppid);
$| = 1;
print $server->sockport, " $$\n";
close STDOUT;
turn() while time - $started < LIFETIME && getppid == $parent;
