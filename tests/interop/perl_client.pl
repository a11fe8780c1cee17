#!/usr/bin/perl
# The Supervisor's services through SOAP::Lite. It reads the WSDL files, but builds no document/literal messages
# from them, so that messages are built by hand here.
#
#     perl_client.pl URL USER PASSWORD CA [WSDL_URL...]     prints TAP; further WSDL files are only loaded
use strict;
use warnings;

BEGIN {
    if (!eval { require SOAP::Lite; require LWP::UserAgent; require LWP::Protocol::https; 1 }) {
        print "1..0 # SKIP SOAP::Lite is not installed\n";
        exit 0;
    }
    SOAP::Lite->import;
}
use MIME::Base64 ();
use Test::More;

die "usage: perl_client.pl URL USER PASSWORD CA [WSDL_URL...]\n" if @ARGV < 4;
my ($url, $user, $password, $ca, @others) = @ARGV;
$ENV{PERL_LWP_SSL_CA_FILE} = $ca;
$ENV{HTTPS_CA_FILE} = $ca;
my @warnings;
local $SIG{__WARN__} = sub { push @warnings, @_ };
my $ns = 'urn:horarium:supervisor:1';

for my $wsdl ("$url/soap/supervisor-flat.wsdl", "$url/soap/supervisor?wsdl", @others) {
    my $services = eval { SOAP::Schema->new(schema_url => $wsdl)->parse->services };
    ok(ref $services eq 'HASH' && %$services, 'reads ' . ($wsdl =~ m{([^/]+)$})[0]) or diag($@);
}

sub client {
    my ($version, $secret) = @_;
    SOAP::Lite->soapversion($version); # a setting of the class: it makes the envelope
    my $client = SOAP::Lite->new(proxy => "$url/soap/supervisor")->soapversion($version)->autotype(0)->readable(0);
    $client->ns($ns, 's');
    $client->on_action(sub { '"' . join(':', @_) . '"' });
    $client->transport->proxy->default_header(
        Authorization => 'Basic ' . MIME::Base64::encode_base64("$user:$secret", ''));
    $client->transport->proxy->ssl_opts(verify_hostname => 1, SSL_ca_file => $ca);
    $client->on_fault(sub { $_[1] });
    return $client;
}

# Without an argument SOAP::Lite writes xsi:nil, which the schema does not allow.
sub nothing { return SOAP::Data->type(xml => '<!-- -->') }
sub element { return SOAP::Data->name($_[0] => $_[1])->prefix('s') }

for my $version ('1.1', '1.2') {
    my $client = client($version, $password);
    my $me = $client->call(SOAP::Data->name('s:WhoAmI'), nothing());
    is(ref $me && !$me->fault ? $me->valueof('//WhoAmIResponse/user') : 'a fault', $user, "SOAP $version: WhoAmI");
    my $orders = $client->call(SOAP::Data->name('s:ListOrders'), element(limit => 5));
    like(ref $orders && !$orders->fault ? $orders->valueof('//ListOrdersResponse/asOf') : 'a fault',
        qr/^\d{4}-\d\d-\d\dT.*Z$/, "SOAP $version: ListOrders");
    my $none = $client->call(SOAP::Data->name('s:GetOrder'), element(id => 'there-is-no-such-order'));
    ok(ref $none && $none->fault, "SOAP $version: an unknown order is a fault");
    is($none->valueof('//NotFound/code'), 'NotFound', "SOAP $version: NotFound, typed");
    like($none->faultstring || $none->valueof('//Reason/Text') || '', qr/there-is-no-such-order/,
        "SOAP $version: with a sentence");
    my $bad = $client->call(SOAP::Data->name('s:ListOrders'), element(limit => 'many'));
    is($bad->valueof('//InvalidRequest/code'), 'InvalidRequest', "SOAP $version: InvalidRequest, typed");
    my $stranger = client($version, "${password}x")->call(SOAP::Data->name('s:WhoAmI'), nothing());
    is($stranger->valueof('//NotAuthenticated/code'), 'NotAuthenticated', "SOAP $version: NotAuthenticated, typed");
}
is_deeply(\@warnings, [], 'SOAP::Lite has nothing to complain about');
done_testing();
