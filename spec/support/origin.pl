#!/usr/bin/perl
# The HTTP server of the specs of the loop. Prints its port and its process id,
# then answers, a process a connection. Every head has the number of its
# connection as X-Connection. By the path:
#   /echo            what came in: the request line, headers and body
#   /body/N          N bytes
#   /pieces/N/S      N chunks, "1" to "N", S seconds apart
#   /slow/S          the head after S seconds
#   /close           an answer that ends its connection
#   /leave           an answer, then the end of the connection without a word
#   /first           an answer on a new connection; on a used one the end of it
#   /early           an answer before the body has been read
#   /say/HEX[/end]   these bytes; "-" is a short pause; then the end of the connection
#   /interim         two interim answers first, and headers that come twice
#   /trailer         a trailer after the body
#   /redirect        to /echo
#   /cut             less than it announces
#   /reset[/TEXT]    a reset of the connection, behind an answer if it is /whole or /open, without a length
#   /garbage         bytes that are no HTTP
#   /silence         no answer
#   /headers         a head that never ends
#   /endless         a body that never ends
#   /wait/FILE       a body that begins; writes FILE when the client is gone
use strict;
use warnings;
use IO::Socket::INET;
use Socket qw(MSG_PEEK SOL_SOCKET SO_LINGER);

$SIG{CHLD} = 'IGNORE';
my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1024, ReuseAddr => 1) or die "listen: $!";
$| = 1;
print $server->sockport, " $$\n";
close STDOUT;

my $connection = 0;
my $requests = 0;
my $client;

sub pause { select undef, undef, undef, shift }

sub head {
  my ($status, @lines) = @_;
  return print $client map { "$_\r\n" } "HTTP/1.1 $status Status", "X-Connection: $connection", @lines, '';
}

sub whole {
  my ($status, $body, @lines) = @_;
  head($status, 'Content-Length: ' . length $body, @lines);
  return print $client $body;
}

sub chunk { return print $client sprintf("%x\r\n", length $_[0]), $_[0], "\r\n" }

sub chunked { return head(200, 'Transfer-Encoding: chunked', @_) }

my @answers = (
  [qr{^/echo$}, sub { whole(200, "$_[0]\n$_[1]\n$_[2]") }],
  [qr{^/body/(\d+)$}, sub { my $size = $1; $_[0] =~ /^HEAD/ ? head(200, "Content-Length: $size") : whole(200, 'x' x $size) }],
  [qr{^/pieces/(\d+)/([\d.]+)$}, sub {
    my ($count, $seconds) = ($1, $2);
    chunked();
    for (1 .. $count) { chunk($_); pause($seconds) }
    print $client "0\r\n\r\n";
  }],
  [qr{^/slow/([\d.]+)$}, sub { pause($1); whole(200, 'late') }],
  [qr{^/close$}, sub { whole(200, 'last', 'Connection: close'); 0 }],
  [qr{^/leave$}, sub { whole(200, 'left'); 0 }],
  [qr{^/first$}, sub { $requests > 1 ? 0 : whole(200, 'first') }],
  [qr{^/early$}, sub { 1 }],
  [qr{^/say/([0-9a-f-]+)(/end)?$}, sub {
    my $goes_on = !$2;
    for (split /-/, $1) { print $client pack 'H*', $_; pause(0.02) }
    $goes_on;
  }],
  [qr{^/interim$}, sub {
    print $client "HTTP/1.1 100 Continue\r\nX-Early: 1\r\n\r\nHTTP/1.1 103 Hints\r\nLink: early\r\n\r\n";
    whole(200, 'ok', 'X-Twice: one', 'x-TWICE:two  ', 'Set-Cookie: a=1', 'Set-Cookie: b=2', 'X-Empty:');
  }],
  [qr{^/trailer$}, sub { chunked('Trailer: X-Late'); chunk('ok'); print $client "0\r\nX-Late: 1\r\n\r\n" }],
  [qr{^/redirect$}, sub { whole(302, 'elsewhere', 'Location: /echo') }],
  [qr{^/cut$}, sub { head(200, 'Content-Length: 100'); print $client 'only this'; 0 }],
  [qr{^/reset(/\w+)?$}, sub {
    my $kind = $1 // '';
    whole(200, 'whole', 'Connection: close') if $kind eq '/whole';
    if ($kind eq '/open') { head(200); print $client 'begun' }
    setsockopt $client, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0);
    0;
  }],
  [qr{^/garbage$}, sub { print $client "\x00\x01 no HTTP at all\r\n\r\n"; 0 }],
  [qr{^/silence$}, sub { 0 }],
  [qr{^/headers$}, sub { print $client "HTTP/1.1 200 OK\r\n"; 1 while print $client 'X-More: ', 'x' x 1000, "\r\n"; 0 }],
  [qr{^/endless$}, sub { chunked(); 1 while chunk('x' x 10000); 0 }],
  [qr{^/wait(/.*)$}, sub {
    my $file = $1;
    chunked();
    chunk('begun');
    sysread $client, my $byte, 1;
    open my $out, '>', $file or die;
    print $out "gone\n";
    0;
  }],
);

sub answer {
  my ($line, $headers, $body) = @_;
  my ($path) = $line =~ /^\S+ (\S+)/ or return 0;
  for (@answers) {
    my ($pattern, $work) = @$_;
    return $work->($line, $headers, $body) if $path =~ $pattern;
  }
  return whole(404, 'nothing here');
}

sub speaks_tls {
  recv $client, my $byte, 1, MSG_PEEK;
  return $byte eq "\x16";
}

sub serve {
  if (speaks_tls()) { whole(400, 'no TLS here'); return }
  while (defined(my $line = <$client>)) {
    my ($headers, $length, $body) = ('', 0, '');
    $line =~ s/\r\n$//;
    $requests++;
    whole(200, 'early') if $line =~ m{ /early };
    while (defined(my $header = <$client>) ) {
      $header =~ s/\r\n$//;
      last if $header eq '';
      $headers .= "$header\n";
      $length = $1 if $header =~ /^content-length: (\d+)/i;
    }
    read $client, $body, $length if $length;
    answer($line, $headers, $body) or last;
  }
}

while (1) {
  $client = $server->accept or next;
  $connection++;
  if (fork) { close $client; next }
  close $server;
  $SIG{PIPE} = 'IGNORE';
  $client->autoflush(1);
  serve();
  exit;
}
