#include "lib/base/buf.h"

#include <stdlib.h>
#include <string.h>

#include "tests/lib/tap.h"

int main(void)
{
    struct hor_buf buf = HOR_BUF_INIT;
    is(hor_buf_text(&buf), "", "an empty buffer is an empty text");
    hor_buf_puts(&buf, NULL);
    hor_buf_puts(&buf, "ab");
    hor_buf_putc(&buf, 'c');
    hor_buf_add(&buf, "d\0e", 3);
    ok(buf.len == 6 && memcmp(buf.data, "abcd\0e", 7) == 0, "appended and terminated");
    hor_buf_clear(&buf);
    is(hor_buf_text(&buf), "", "cleared");
    for (int i = 0; i < 100; i++)
        hor_buf_printf(&buf, "%d,", i);
    is_int(buf.len, 290, "formatted texts grow");
    hor_buf_clear(&buf);
    hor_buf_printf(&buf, "%01000d", 1);
    is_int(buf.len, 1000, "one that is longer than the room");

    hor_buf_clear(&buf);
    hor_buf_xml(&buf, "a&b<c>d\"e\tf\ng\rh\x01i\xC3\xA9j\xC3k\xED\xA0\x80l");
    is(hor_buf_text(&buf),
       "a&amp;b&lt;c&gt;d&quot;e&#9;f&#10;g&#13;h\xEF\xBF\xBDi\xC3\xA9j\xEF\xBF\xBDk"
       "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBDl",
       "XML is escaped, forbidden bytes are replaced");
    char *text = hor_buf_take(&buf);
    ok(text != NULL && buf.data == NULL && buf.len == 0, "taken out");
    free(text);
    text = hor_buf_take(&buf);
    is(text, "", "an empty one can be taken too");
    free(text);

    ok(!hor_buf_reserve(&buf, SIZE_MAX - 5) && buf.failed, "too much is refused");
    hor_buf_puts(&buf, "x");
    ok(buf.len == 0 && hor_buf_take(&buf) == NULL, "a failed one stays empty and gives nothing");
    hor_buf_puts(&buf, "x");
    is(hor_buf_text(&buf), "x", "and can be used again");
    hor_buf_done(&buf);
    return done_testing();
}
