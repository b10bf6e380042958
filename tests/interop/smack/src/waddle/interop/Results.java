package waddle.interop;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeSet;

import org.igniterealtime.smack.inttest.AbstractSmackIntTest;
import org.igniterealtime.smack.inttest.FailedTest;
import org.igniterealtime.smack.inttest.SmackIntegrationTestFramework;
import org.igniterealtime.smack.inttest.SuccessfulTest;
import org.igniterealtime.smack.inttest.TestNotPossible;
import org.igniterealtime.smack.inttest.annotations.SmackIntegrationTest;
import org.igniterealtime.smack.inttest.annotations.SpecificationReference;

/**
 * Writes one line per test to the file that the property {@code waddle.results} names: outcome, name, specification
 * with section, reason, quote; separated by tabs. Tests of a class that could not even be made are listed too.
 */
public final class Results implements SmackIntegrationTestFramework.TestRunResultProcessor {
    private final TreeSet<String> lines = new TreeSet<>();

    @Override
    public void process(SmackIntegrationTestFramework.TestRunResult results) {
        for (SuccessfulTest test : results.getSuccessfulTests()) {
            add("pass", test.concreteTest, null);
        }
        for (FailedTest test : results.getFailedTests()) {
            add("fail", test.concreteTest, test.failureReason);
        }
        for (TestNotPossible test : results.getNotPossibleTests()) {
            add("impossible", test.concreteTest, test.testNotPossibleException);
        }
        for (Map.Entry<Class<? extends AbstractSmackIntTest>, Throwable> e : results.getImpossibleTestClasses().entrySet()) {
            for (Method method : e.getKey().getMethods()) {
                if (method.isAnnotationPresent(SmackIntegrationTest.class)) {
                    add("impossible", e.getKey(), method, "", e.getValue());
                }
            }
        }
        try {
            Files.write(Path.of(System.getProperty("waddle.results")), lines);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void add(String outcome, SmackIntegrationTestFramework.ConcreteTest test, Throwable reason) {
        String variant = test.getSubdescriptons().isEmpty() ? "" : "-" + String.join("-", test.getSubdescriptons());
        add(outcome, test.getMethod().getDeclaringClass(), test.getMethod(), variant, reason);
    }

    private void add(String outcome, Class<?> of, Method method, String variant, Throwable reason) {
        SpecificationReference document = of.getAnnotation(SpecificationReference.class);
        SmackIntegrationTest test = method.getAnnotation(SmackIntegrationTest.class);
        String section = (document == null ? "" : document.document()) + (test.section().isEmpty() ? "" : " §" + test.section());
        lines.add(String.join("\t", outcome, of.getSimpleName() + "." + method.getName() + variant, one(section),
            reason == null ? "" : one(reason.getClass().getSimpleName() + ": " + reason.getMessage()), one(test.quote())));
    }

    private static String one(String text) {
        return text.replaceAll("\\s+", " ").trim();
    }
}
