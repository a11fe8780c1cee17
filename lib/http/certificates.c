/* lib/http/certificates.c - the private authority, over OpenSSL's X.509. */
#include "lib/http/certificates.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "lib/base/buf.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"

enum { AUTHORITY_DAYS = 3650, MEMBER_DAYS = 825, MAX_NAME = 60, MAX_HOST = 253 };

struct authority {
    X509 *certificate;
    EVP_PKEY *key;
};

static int openssl_failed(const char *what, struct hor_error *err)
{
    const char *words = ERR_reason_error_string(ERR_peek_last_error());
    hor_error_set(err, HOR_ERR_INTERNAL, "%s: %s", what, words != NULL ? words : "failed");
    ERR_clear_error();
    return HOR_ERR_INTERNAL;
}

static bool add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool done = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return done;
}

static bool set_serial(X509 *certificate)
{
    unsigned char bytes[16];
    if (RAND_bytes(bytes, sizeof bytes) != 1)
        return false;
    bytes[0] &= 0x7f; /* positive */
    BIGNUM *number = BN_bin2bn(bytes, sizeof bytes, NULL);
    bool done =
        number != NULL && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL;
    BN_free(number);
    return done;
}

/* A certificate without extensions and signature. */
static X509 *blank(const char *common_name, EVP_PKEY *key, const X509 *issuer, int days)
{
    X509 *certificate = X509_new();
    X509_NAME *subject = certificate != NULL ? X509_get_subject_name(certificate) : NULL;
    if (certificate != NULL && X509_set_version(certificate, X509_VERSION_3) == 1 &&
        set_serial(certificate) &&
        X509_gmtime_adj(X509_getm_notBefore(certificate), -3600) != NULL && /* clocks differ */
        X509_time_adj_ex(X509_getm_notAfter(certificate), days, 0, NULL) != NULL &&
        X509_NAME_add_entry_by_txt(subject, "O", MBSTRING_UTF8, (const unsigned char *)"Horarium",
                                   -1, -1, 0) == 1 &&
        X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)common_name,
                                   -1, -1, 0) == 1 &&
        X509_set_issuer_name(certificate,
                             issuer != NULL ? X509_get_subject_name(issuer) : subject) == 1 &&
        X509_set_pubkey(certificate, key) == 1)
        return certificate;
    X509_free(certificate);
    return NULL;
}

static int write_pem(const char *path, const X509 *certificate, const EVP_PKEY *key,
                     struct hor_error *err)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *data = NULL;
    int rc = HOR_ERR_MEMORY;
    if (bio != NULL && (certificate != NULL ? PEM_write_bio_X509(bio, certificate)
                                            : PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0,
                                                                            NULL, NULL)) == 1) {
        long len = BIO_get_mem_data(bio, &data);
        rc = hor_file_write_atomic(path, data, (size_t)len, key != NULL ? 0600 : 0644, err);
    } else {
        rc = openssl_failed(path, err);
    }
    if (key != NULL && data != NULL)
        OPENSSL_cleanse(data, (size_t)BIO_get_mem_data(bio, &data));
    BIO_free(bio);
    return rc;
}

static int read_authority(const char *certificate_path, const char *key_path, struct authority *ca,
                          struct hor_error *err)
{
    BIO *file = BIO_new_file(certificate_path, "re");
    if (file != NULL)
        ca->certificate = PEM_read_bio_X509(file, NULL, NULL, NULL);
    BIO_free(file);
    if (ca->certificate == NULL)
        return openssl_failed(certificate_path, err);
    file = BIO_new_file(key_path, "re");
    if (file != NULL)
        ca->key = PEM_read_bio_PrivateKey(file, NULL, NULL, NULL);
    BIO_free(file);
    if (ca->key == NULL)
        return openssl_failed(key_path, err);
    if (X509_check_private_key(ca->certificate, ca->key) != 1)
        return hor_error_set(err, HOR_ERR_INVALID, "%s does not belong to %s", key_path,
                             certificate_path);
    return HOR_OK;
}

static int make_authority(const char *certificate_path, const char *key_path, struct authority *ca,
                          struct hor_error *err)
{
    unsigned char random[4];
    char name[64];
    RAND_bytes(random, sizeof random);
    snprintf(name, sizeof name, "Horarium private CA %02x%02x%02x%02x", random[0], random[1],
             random[2], random[3]); /* two installations are told apart */
    ca->key = EVP_EC_gen("P-256");
    if (ca->key != NULL)
        ca->certificate = blank(name, ca->key, NULL, AUTHORITY_DAYS);
    X509 *certificate = ca->certificate;
    if (certificate == NULL ||
        !add_extension(certificate, certificate, NID_basic_constraints,
                       "critical,CA:TRUE,pathlen:0") ||
        !add_extension(certificate, certificate, NID_key_usage, "critical,keyCertSign,cRLSign") ||
        !add_extension(certificate, certificate, NID_subject_key_identifier, "hash") ||
        X509_sign(certificate, ca->key, EVP_sha256()) == 0)
        return openssl_failed("private authority", err);
    int rc = write_pem(key_path, NULL, ca->key, err);
    return rc == HOR_OK ? write_pem(certificate_path, certificate, NULL, err) : rc;
}

static bool is_name(const char *text, size_t len)
{
    return len > 0 && len <= MAX_NAME && text[0] != '.' &&
           strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-") >= len;
}

/* Adds "DNS:host" or "IP:address" for each of a comma-separated list. */
static int alternative_names(const char *hosts, struct hor_buf *out, struct hor_error *err)
{
    hor_buf_puts(out, "DNS:localhost,IP:127.0.0.1,IP:::1");
    while (*hosts != '\0') {
        size_t len = strcspn(hosts, ",");
        char host[MAX_HOST + 1];
        unsigned char address[16];
        if (len > MAX_HOST || len == 0)
            return hor_error_set(err, HOR_ERR_INVALID, "'%.*s' is no host name",
                                 (int)(len > 60 ? 60 : len), hosts);
        memcpy(host, hosts, len);
        host[len] = '\0';
        if (inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1)
            hor_buf_printf(out, ",IP:%s", host);
        else if (strspn(host, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-") ==
                 len)
            hor_buf_printf(out, ",DNS:%s", host);
        else
            return hor_error_set(err, HOR_ERR_INVALID,
                                 "'%s' is neither a host name nor an IP address", host);
        hosts += len + (hosts[len] == ',');
    }
    return out->failed ? hor_error_set(err, HOR_ERR_MEMORY, "out of memory") : HOR_OK;
}

static int make_member(const struct authority *ca, const char *name, const char *hosts,
                       const char *certificate_path, const char *key_path, struct hor_error *err)
{
    struct hor_buf names = HOR_BUF_INIT;
    int rc = alternative_names(hosts, &names, err);
    EVP_PKEY *key = rc == HOR_OK ? EVP_EC_gen("P-256") : NULL;
    X509 *certificate = key != NULL ? blank(name, key, ca->certificate, MEMBER_DAYS) : NULL;
    if (rc == HOR_OK &&
        (certificate == NULL ||
         !add_extension(certificate, ca->certificate, NID_basic_constraints, "critical,CA:FALSE") ||
         !add_extension(certificate, ca->certificate, NID_key_usage, "critical,digitalSignature") ||
         !add_extension(certificate, ca->certificate, NID_ext_key_usage, "serverAuth,clientAuth") ||
         !add_extension(certificate, ca->certificate, NID_subject_alt_name, hor_buf_text(&names)) ||
         !add_extension(certificate, ca->certificate, NID_subject_key_identifier, "hash") ||
         !add_extension(certificate, ca->certificate, NID_authority_key_identifier, "keyid") ||
         X509_sign(certificate, ca->key, EVP_sha256()) == 0))
        rc = openssl_failed(certificate_path, err);
    if (rc == HOR_OK)
        rc = write_pem(key_path, NULL, key, err);
    if (rc == HOR_OK)
        rc = write_pem(certificate_path, certificate, NULL, err);
    X509_free(certificate);
    EVP_PKEY_free(key);
    hor_buf_done(&names);
    return rc;
}

static int ensure_member(const char *dir, const struct authority *ca, const char *spec,
                         struct hor_error *err)
{
    size_t len = strcspn(spec, ":");
    char name[MAX_NAME + 1];
    if (!is_name(spec, len) || (len == 2 && strncmp(spec, "ca", 2) == 0))
        return hor_error_set(err, HOR_ERR_INVALID,
                             "'%s' is no member name: 1 to %d letters, digits, '_', '-' and '.', "
                             "not 'ca'",
                             spec, MAX_NAME);
    memcpy(name, spec, len);
    name[len] = '\0';
    char *certificate_path = hor_str_printf("%s/%s.crt", dir, name);
    char *key_path = hor_str_printf("%s/%s.key", dir, name);
    int rc;
    if (certificate_path == NULL || key_path == NULL)
        rc = hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    else if (access(certificate_path, F_OK) == 0 && access(key_path, F_OK) == 0)
        rc = HOR_OK;
    else
        rc = make_member(ca, name, spec[len] == ':' ? spec + len + 1 : "", certificate_path,
                         key_path, err);
    free(certificate_path);
    free(key_path);
    return rc;
}

int hor_certificates_init(const char *dir, const char *const *names, unsigned count,
                          struct hor_error *err)
{
    struct authority ca = {NULL, NULL};
    char *certificate_path = hor_path_join(dir, "ca.crt"), *key_path = hor_path_join(dir, "ca.key");
    int rc = HOR_ERR_MEMORY;
    if (certificate_path == NULL || key_path == NULL) {
        hor_error_set(err, rc, "out of memory");
        goto out;
    }
    rc = hor_dir_make(dir, 0755, err);
    if (rc != HOR_OK)
        goto out;
    if (access(certificate_path, F_OK) == 0)
        rc = read_authority(certificate_path, key_path, &ca, err);
    else
        rc = make_authority(certificate_path, key_path, &ca, err);
    for (unsigned i = 0; i < count && rc == HOR_OK; i++)
        rc = ensure_member(dir, &ca, names[i], err);
out:
    X509_free(ca.certificate);
    EVP_PKEY_free(ca.key);
    free(certificate_path);
    free(key_path);
    return rc;
}
