#!/usr/bin/perl
# An HTTP server for the specs of the agents and of `orchlua.http`. Prints its
# port and process id, then answers, a process a connection, by the path:
#   /echo                 what came in: method, path, headers and body, one a line
#   /status/N?HEADER=V    status N with that header; the body is the request's
#   /body/N               N times "x"
#   /raw                  bytes that are no UTF-8
#   /slow/S               an answer after S seconds
#   /trickle/S            a head at once, the end of the body after S seconds
#   /drop                 no answer
use strict;
use warnings;
use IO::Socket::INET;

$SIG{CHLD} = 'IGNORE';
my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 64, ReuseAddr => 1) or die "listen: $!";
$| = 1;
print $server->sockport, " $$\n";
close STDOUT;

sub unescape { my $text = shift; $text =~ s/\+/ /g; $text =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ge; return $text }

sub answer {
  my ($client, $status, $body, @headers) = @_;
  my $head = "HTTP/1.1 $status Status\r\nContent-Length: " . length($body) . "\r\n";
  print $client $head, map({ "$_\r\n" } @headers), "\r\n", $body;
}

sub serve {
  my ($client, $method, $path, $headers, $body) = @_;
  if ($path eq '/echo') { answer($client, 200, "$method $path\n$headers\n$body") }
  elsif ($path =~ m{^/status/(\d+)(?:\?([^=]+)=(.*))?$}) { answer($client, $1, $body, $2 ? "$2: " . unescape($3) : ()) }
  elsif ($path =~ m{^/body/(\d+)$}) { answer($client, 200, 'x' x $1) }
  elsif ($path eq '/raw') { answer($client, 200, "a\xFFb\xC3\xA9") }
  elsif ($path =~ m{^/slow/([\d.]+)$}) { select undef, undef, undef, $1; answer($client, 200, 'late') }
  elsif ($path =~ m{^/trickle/([\d.]+)$}) {
    print $client "HTTP/1.1 200 Status\r\nContent-Length: 8\r\n\r\nhalf";
    select undef, undef, undef, $1;
    print $client 'half';
  }
  else { return 0 }
  return 1;
}

while (1) {
  my $client = $server->accept or next;
  if (fork) { close $client; next }
  $client->autoflush(1);
  while (defined(my $line = <$client>)) {
    my ($method, $path) = $line =~ /^(\S+) (\S+)/ or last;
    my ($headers, $length, $body) = ('', 0, '');
    while (defined(my $header = <$client>)) {
      $header =~ s/\r\n$//;
      last if $header eq '';
      $headers .= "$header\n";
      $length = $1 if $header =~ /^content-length: (\d+)/i;
      print $client "HTTP/1.1 100 Continue\r\n\r\n" if $header =~ /^expect: 100-continue/i;
    }
    read($client, $body, $length) if $length;
    serve($client, $method, $path, $headers, $body) or last;
  }
  exit;
}
