/* lib/soap/custom/time.h - for soapcpp2: xsd:dateTime is a 64-bit count of UTC microseconds since
 * the epoch; lib/soap/custom/time.c reads and writes it. */
extern typedef LONG64 xsd__dateTime;
