<?php
// The Supervisor's services through PHP's SoapClient, SOAP 1.1 and 1.2, HTTP Basic over TLS.
//
//     php php_client.php URL USER PASSWORD CA [WSDL_URL...]     prints TAP; further WSDL files are only loaded
error_reporting(E_ALL);
$count = 0;
$failed = 0;
$warnings = [];
set_error_handler(function ($level, $text) use (&$warnings) { $warnings[] = $text; return true; });

function ok($passed, $name, $detail = null) {
    global $count, $failed;
    $count++;
    echo $passed ? "ok" : "not ok", " $count - $name\n";
    if (!$passed) {
        $failed++;
        foreach (explode("\n", print_r($detail, true)) as $line) echo "# $line\n";
    }
}

function fault_of($call) {
    try {
        $call();
    } catch (SoapFault $fault) {
        return $fault;
    }
    return null;
}

if (!class_exists("SoapClient")) {
    echo "1..0 # SKIP PHP has no SoapClient\n";
    exit(0);
}
if ($argc < 5) {
    fwrite(STDERR, "usage: php_client.php URL USER PASSWORD CA [WSDL_URL...]\n");
    exit(2);
}
[, $url, $user, $password, $ca] = $argv;
$context = stream_context_create(["ssl" => ["cafile" => $ca, "verify_peer" => true, "verify_peer_name" => true]]);
$options = ["stream_context" => $context, "cache_wsdl" => WSDL_CACHE_NONE, "exceptions" => true, "trace" => true,
            "features" => SOAP_SINGLE_ELEMENT_ARRAYS];
foreach (array_slice($argv, 5) as $other) {
    $client = new SoapClient($other, $options);
    ok(count($client->__getFunctions()) > 0, "loads " . basename($other));
}
foreach ([SOAP_1_1 => "SOAP 1.1", SOAP_1_2 => "SOAP 1.2"] as $version => $label) {
    $client = new SoapClient("$url/soap/supervisor?wsdl",
        $options + ["soap_version" => $version, "login" => $user, "password" => $password]);
    $client->__setLocation("$url/soap/supervisor");
    $functions = implode("\n", $client->__getFunctions());
    ok(str_contains($functions, "WhoAmI") && str_contains($functions, "ListAudit"), "$label: all operations are known", $functions);
    $me = $client->WhoAmI();
    ok($me->user === $user, "$label: WhoAmI", $me);
    $status = $client->GetStatus();
    ok(preg_match('/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/', $status->asOf) === 1, "$label: a time in UTC", $status);
    $orders = $client->ListOrders(["filter" => ["state" => ["active", "ended"]], "limit" => 5]);
    ok(!isset($orders->order) || is_array($orders->order), "$label: ListOrders with a filter", $orders);
    $events = $client->GetEvents(["after" => 0, "limit" => 5, "waitMs" => 0]);
    ok(isset($events->position), "$label: GetEvents", $events);
    $fault = fault_of(fn() => $client->GetOrder(["id" => "there-is-no-such-order"]));
    ok($fault !== null && isset($fault->detail->NotFound) && $fault->detail->NotFound->code === "NotFound"
        && in_array($fault->detail->NotFound->retryable, [false, "false"], true), "$label: the typed fault NotFound", $fault);
    $fault = fault_of(fn() => $client->ListOrders(["limit" => 100000]));
    ok($fault !== null && isset($fault->detail->InvalidRequest), "$label: the typed fault InvalidRequest", $fault);
    $stranger = new SoapClient("$url/soap/supervisor?wsdl",
        $options + ["soap_version" => $version, "login" => $user, "password" => "{$password}x"]);
    $stranger->__setLocation("$url/soap/supervisor");
    $fault = fault_of(fn() => $stranger->WhoAmI());
    ok($fault !== null && isset($fault->detail->NotAuthenticated), "$label: the typed fault NotAuthenticated", $fault);
}
ok($warnings === [], "PHP has nothing to complain about", $warnings);
echo "1..$count\n";
exit($failed > 0 ? 1 : 0);
