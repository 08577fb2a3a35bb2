#!/usr/bin/perl
# The server behind the soak's HTTP agent. Prints its port and its process id, then answers,
# a process a connection, as the prompt in the body says: `FATE VALUE`.
use strict;
use warnings;
use IO::Socket::INET;

$SIG{CHLD} = 'IGNORE';
$SIG{PIPE} = 'IGNORE';
my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1024, ReuseAddr => 1) or die "listen: $!";
$| = 1;
print $server->sockport, " $$\n";
close STDOUT;

my $client;

sub answer {
  my ($status, $body) = @_;
  return print $client "HTTP/1.1 $status Status\r\nContent-Type: application/json\r\nContent-Length: ", length $body, "\r\n\r\n$body";
}

sub value { return answer(200, "{\"value\": $_[0]}") }
sub broken { return answer(200, "{\"value\": $_[0]") }

my %fates = (
  ok => \&value,
  slow => sub { select undef, undef, undef, 0.3; value(@_) },
  flaky => sub { $_[1] < 2 ? answer(503, 'out of order') : value(@_) },
  fail => sub { answer(400, 'no paper left') },
  hang => sub { sleep 60; 0 },
  kill => sub { print $client "HTTP/1.1 200 Status\r\nContent-Length: 100\r\n\r\nonly this"; 0 },
  broken => \&broken,
  mends => sub { $_[1] < 2 ? broken(@_) : value(@_) },
);

sub serve {
  while (defined(my $line = <$client>)) {
    my ($length, $body) = (0, '');
    while (defined(my $header = <$client>)) {
      last if $header =~ /^\r?\n$/;
      $length = $1 if $header =~ /^content-length: (\d+)/i;
    }
    read $client, $body, $length if $length;
    my ($fate, $value) = $body =~ /"prompt":"(\w+) (\d+)/ or return;
    my ($attempt) = $body =~ /"attempt":(\d+)/ or return;
    $fates{$fate}->($value, $attempt) or return;
  }
}

while (1) {
  $client = $server->accept or next;
  if (fork) { close $client; next }
  close $server;
  $client->autoflush(1);
  alarm 60;
  serve();
  exit;
}
