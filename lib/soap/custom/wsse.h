/* lib/soap/custom/wsse.h - for soapcpp2: the WS-Security header, UsernameToken only (OASIS Web
 * Services Security UsernameToken Profile 1.1). Other children of Security are skipped.
 * mustUnderstand is gSOAP's own affair: it must not be declared here. */
//gsoap wsse schema namespace: http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd
//gsoap wsse schema elementForm: qualified
//gsoap wsse schema attributeForm: unqualified

struct wsse__Password {
    char *__item;
    @char *Type;
};
struct wsse__UsernameToken {
    char *Username 0;
    struct wsse__Password *Password 0;
};
struct _wsse__Security {
    struct wsse__UsernameToken *UsernameToken 0;
};
struct SOAP_ENV__Header {
    struct _wsse__Security *wsse__Security 0;
};
